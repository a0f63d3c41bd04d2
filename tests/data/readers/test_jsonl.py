"""JSON lines and arrays: what is read of them, and the place of every row that cannot be."""

import json

import pytest

from medft.data.readers.rows import RowError
from medft.data.readers.sources import read_rows
from tests.data.support import bad, dataset, rows_of, write


@pytest.mark.parametrize("line", ['{"question": "a?", "ans', "[1, 2]", "{'a': 1}", "[" * 100_000])
def test_a_bad_json_line_is_named_and_the_next_is_read(tmp_path, line):
    path = write(tmp_path / "x.jsonl", f'{{"question": "a?"}}\n{line}\n\n{{"question": "b?"}}\n')
    assert bad(dataset("jsonl", path)).where == f"{path}:2"
    assert [row[0] for row in rows_of(dataset("jsonl", path))] == ["x.jsonl:1", "x.jsonl:4"]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("chunk", [16, 2**20])
def test_a_json_array_is_read_one_object_at_a_time(tmp_path, monkeypatch, indent, chunk):
    monkeypatch.setattr("medft.data.readers.jsonl.CHUNK", chunk)
    made = [{"question": f"Frage {n}, [ü] ?", "answer": ["a", {"b": "]}"}]} for n in range(50)]
    text = json.dumps(made, indent=indent, ensure_ascii=False)
    path = write(tmp_path / "x.json", f"\ufeff\n {text} \n")
    assert [values for _, values in rows_of(dataset("jsonl", path))] == made


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ('[{"q": 1}, {"q": 2', 1),
        ('[{"q": 1}, 7, {"q": 2}]', 2),
        ('[{"q": 1}] {"q": 2}', 1),
        ('[{"q": 1}, {\'q\': 2}, {"q": 3}]', 1),
        ("[1, 2]\n", 0),
        ("[" * 100_000, 0),
    ],
)
def test_an_array_that_breaks_off_is_named_by_its_row_and_good_rows_survive(tmp_path, text, good):
    path = write(tmp_path / "x.json", text)
    errors = [item for item in read_rows(dataset("jsonl", path)) if isinstance(item, RowError)]
    assert len(rows_of(dataset("jsonl", path))) == good
    assert errors[0].where == f"{path} row {min(good, 1) + 1}"
    assert {error.reason for error in errors} == {"malformed_json"}


ROWS = [{"question": f"Frage {n}?", "answer": f"Antwort {n}"} for n in range(3)]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"version": 2, "data": ROWS}, "data row 1"),
        ({"meta": {"by": "us"}, "data": {"items": ROWS}}, "data.items row 1"),
    ],
)
def test_rows_inside_a_document_are_found(tmp_path, indent, document, place):
    path = write(tmp_path / "x.json", json.dumps(document, indent=indent))
    found = rows_of(dataset("jsonl", path))
    assert [values for _, values in found] == ROWS
    assert found[0][0] == f"x.json {place}"


def test_lists_under_the_names_of_splits_keep_them(tmp_path):
    path = write(tmp_path / "x.json", json.dumps({"train": ROWS[:2], "dev": ROWS[2:]}))
    rows = [item for item in read_rows(dataset("jsonl", path)) if not isinstance(item, RowError)]
    assert [(row.values, row.split) for row in rows] == [
        (ROWS[0], "train"),
        (ROWS[1], "train"),
        (ROWS[2], "validation"),
    ]


@pytest.mark.parametrize("indent", [None, 1])
def test_objects_under_their_ids_are_rows(tmp_path, indent):
    path = write(tmp_path / "x.json", json.dumps({f"r{n}": row for n, row in enumerate(ROWS)}, indent=indent))
    assert rows_of(dataset("jsonl", path)) == [
        (f"x.json r{n}", {"id": f"r{n}", **row}) for n, row in enumerate(ROWS)
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Which?", "choices": [{"label": "A", "text": "x"}, {"label": "B", "text": "y"}]},
        {"turns": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        {"asked": "a?", "told": "b"},
    ],
)
def test_a_file_of_one_row_is_one_row(tmp_path, row):
    for indent in (None, 1):
        path = write(tmp_path / "x.json", json.dumps(row, indent=indent))
        assert rows_of(dataset("jsonl", path)) == [("x.json:1", row)]


def test_a_document_that_breaks_off_is_named(tmp_path):
    path = write(tmp_path / "x.json", json.dumps({"data": ROWS}, indent=1)[:-5])
    assert bad(dataset("jsonl", path)).reason == "malformed_json"
    path = write(tmp_path / "y.json", '{"a": 1, "a": 2}')
    assert bad(dataset("jsonl", path)).reason == "duplicate_key"
