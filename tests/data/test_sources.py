"""Readers: what they read, and one clear error with file and line for everything that they cannot."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medft.data import sources, tables
from medft.data.columns import check_columns, to_record
from medft.data.sources import Row, RowError, read_rows
from medft.errors import DataError
from tests.data.support import FIXTURES, dataset, jsonl


def rows_of(config):
    """The good rows, with the names of their places."""
    return [(i.place.rsplit("/")[-1], dict(i.values)) for i in read_rows(config) if isinstance(i, Row)]


def bad(config) -> RowError:
    (error,) = [item for item in read_rows(config) if isinstance(item, RowError)]
    return error


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_csv_has_quotes_line_ends_and_a_bom(tmp_path):
    text = '\ufeffquestion,answer\r\n"a, b?","two\r\nlines"\r\n\r\nc?,d\r\n'
    assert rows_of(dataset("csv", write(tmp_path / "x.csv", text))) == [
        ("x.csv:2", {"question": "a, b?", "answer": "two\r\nlines"}),
        ("x.csv:5", {"question": "c?", "answer": "d"}),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a?,b,c", "shifted_columns"),
        ("a?", "shifted_columns"),
        ('a?,"b"c', "malformed_csv"),
        ('a?,"never closed', "malformed_csv"),
    ],
)
def test_a_bad_csv_row_is_named_by_its_line_and_the_next_is_read(tmp_path, line, reason):
    path = write(tmp_path / "x.csv", f"question,answer\nq?,a\n{line}\n")
    error = bad(dataset("csv", path))
    assert (error.reason, error.where) == (reason, f"{path}:3")
    path = write(tmp_path / "y.csv", "question,answer\na?,b,c\nq?,a\n")
    assert [type(item) for item in read_rows(dataset("csv", path))] == [RowError, Row]


def test_a_field_of_a_hundred_megabytes_is_refused_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_FIELD", 1000)
    monkeypatch.setattr(sources, "MAX_LINE", 4000)
    path = tmp_path / "x.csv"
    path.write_text("question,answer\nq?," + "x" * 100_000 + "\nr?,b\n")
    assert max(map(len, sources.read_lines(path))) == 4000
    error = bad(dataset("csv", path))
    assert error.where == f"{path}:2"
    assert "1000" in error.what
    long = jsonl(tmp_path / "x.jsonl", [{"question": "q?", "answer": "x" * 100_000}, {"question": "r?"}])
    assert [type(item) for item in read_rows(dataset("jsonl", long))] == [RowError, Row]


@pytest.mark.parametrize("line", ['{"question": "a?", "ans', "[1, 2]", "{'a': 1}", "[" * 100_000])
def test_a_bad_json_line_is_named_and_the_next_is_read(tmp_path, line):
    path = write(tmp_path / "x.jsonl", f'{{"question": "a?"}}\n{line}\n\n{{"question": "b?"}}\n')
    assert bad(dataset("jsonl", path)).where == f"{path}:2"
    assert [row[0] for row in rows_of(dataset("jsonl", path))] == ["x.jsonl:1", "x.jsonl:4"]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("chunk", [16, 2**20])
def test_a_json_array_is_read_one_object_at_a_time(tmp_path, monkeypatch, indent, chunk):
    monkeypatch.setattr("medft.data.jsonl.CHUNK", chunk)
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


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_header_without_commas_is_separated_by_semicolons_or_tabs(tmp_path, mark):
    path = write(tmp_path / "x.csv", f'question{mark}answer\na, b?{mark}"c{mark} d"\n')
    assert rows_of(dataset("csv", path)) == [("x.csv:2", {"question": "a, b?", "answer": f"c{mark} d"})]


def test_parquet_rows_keep_their_types_and_a_truncated_file_is_named(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"question": ["a?", None], "context": [{"contexts": ["p"]}, None]}), path)
    assert rows_of(dataset("parquet", path)) == [
        ("x.parquet row 1", {"question": "a?", "context": {"contexts": ["p"]}}),
        ("x.parquet row 2", {"question": None, "context": None}),
    ]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="not a whole parquet file") as error:
        rows_of(dataset("parquet", path))
    assert str(path) in error.value.where


def test_text_lines_are_taken_apart_by_a_pattern(tmp_path):
    path = write(tmp_path / "x.txt", "[INST] a? [/INST] b\nsomething else\n")
    config = dataset("text", path, pattern=r"\[INST\] (?P<question>.*) \[/INST\] (?P<answer>.*)")
    first, second = read_rows(config)
    assert (first.values["question"], first.values["answer"]) == ("a?", "b")
    assert (second.reason, second.where) == ("pattern_mismatch", f"{path}:2")


def test_files_of_a_folder_keep_the_split_in_their_name():
    splits = [item.split for item in read_rows(dataset("jsonl", FIXTURES / "mednli"))]
    assert [splits.count(name) for name in ("train", "validation", "test")] == [18, 6, 6]


@pytest.mark.parametrize("reader", ["csv", "jsonl", "parquet", "text", "medquad_xml", "pubmedqa_json"])
def test_a_missing_and_an_empty_file_are_errors_that_say_how_to_get_it(tmp_path, reader):
    for path, what in ((tmp_path / "nowhere", "no data"), (write(tmp_path / "empty", ""), "empty")):
        with pytest.raises(DataError, match=what) as error:
            list(read_rows(dataset(reader, path, obtain="download it from there")))
        assert error.value.where == str(path)
        assert error.value.remedy == "download it from there"


@pytest.mark.parametrize("reader", ["csv", "jsonl", "text"])
@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        ("question,answer\nq?,a\n".encode("utf-16"), "UTF-16", "iconv -f UTF-16"),
        (b"PK\x03\x04\x14\x00", "Excel workbook", "CSV UTF-8"),
        (gzip.compress(b"question,answer\n"), "gzip", "gunzip"),
    ],
)
def test_a_file_that_is_no_utf8_text_is_refused_with_the_way_out(tmp_path, reader, content, what, remedy):
    path = write(tmp_path / "x", content)
    with pytest.raises(DataError, match=what) as error:
        list(read_rows(dataset(reader, path)))
    assert remedy in error.value.remedy and error.value.where == str(path)


def test_a_data_set_without_a_path_says_which_setting_is_missing():
    with pytest.raises(DataError) as error:
        list(read_rows(dataset("csv")))
    assert "dataset.path=" in error.value.remedy


def test_a_bundled_sample_is_found_by_its_name():
    config = dataset("jsonl", Path("samples:medical_qa.jsonl"))
    assert len(list(read_rows(config))) >= 200


def test_fields_of_any_script_survive(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"question": "천식이란?", "answer": "é\u2028x"}, ensure_ascii=False), "utf-8")
    assert rows_of(dataset("jsonl", path)) == [("x.jsonl:1", {"question": "천식이란?", "answer": "é\u2028x"})]


@given(
    st.binary(max_size=300),
    st.sampled_from(["csv", "jsonl", "parquet", "text", "medquad_xml", "pubmedqa_json"]),
)
@settings(max_examples=150, deadline=None)
def test_no_bytes_whatever_raise_anything_but_a_data_error(tmp_path_factory, content, reader):
    path = write(tmp_path_factory.mktemp("fuzz") / "x", content)
    config = dataset(reader, path, columns={"question": None})
    for head in (b"", b"question,answer\n"):
        write(path, head + content)
        try:
            for number, item in enumerate(check_columns(read_rows(config), config)):
                if isinstance(item, Row):
                    to_record(item, number, "fuzz", config)
        except DataError as error:
            str(error).encode()
