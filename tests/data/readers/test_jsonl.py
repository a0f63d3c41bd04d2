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
