"""Readers: what they read, and one clear error with file and line for everything that they cannot."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medft.data.readers import csv_file, utf8
from medft.data.readers.columns import check_columns, to_record
from medft.data.readers.rows import RowError, SourceRow
from medft.data.readers.sources import read_rows
from medft.errors import DataError
from tests.data.support import FIXTURES, bad, dataset, jsonl, rows_of, write


def test_a_field_of_a_hundred_megabytes_is_refused_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "MAX_FIELD", 1000)
    monkeypatch.setattr(utf8, "MAX_LINE", 4000)
    path = tmp_path / "x.csv"
    path.write_text("question,answer\nq?," + "x" * 100_000 + "\nr?,b\n")
    assert max(map(len, utf8.read_lines(path))) == 4000
    error = bad(dataset("csv", path))
    assert error.where == f"{path}:2"
    assert "1000" in error.what
    long = jsonl(tmp_path / "x.jsonl", [{"question": "q?", "answer": "x" * 100_000}, {"question": "r?"}])
    assert [type(item) for item in read_rows(dataset("jsonl", long))] == [RowError, SourceRow]


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
        (gzip.compress(b"question,answer\n", mtime=0), "gzip", "gunzip"),
    ],
)
def test_a_file_that_is_no_utf8_text_is_refused_with_the_way_out(tmp_path, reader, content, what, remedy):
    path = write(tmp_path / "x", content)
    with pytest.raises(DataError, match=what) as error:
        list(read_rows(dataset(reader, path)))
    assert remedy in error.value.remedy and error.value.where == str(path)


def test_a_header_that_begins_like_an_archive_is_a_header(tmp_path):
    path = write(tmp_path / "x.csv", b"PK,question,answer\n1,q?,a\n")
    assert [row.values["question"] for row in read_rows(dataset("csv", path))] == ["q?"]


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
                if isinstance(item, SourceRow):
                    to_record(item, number, "fuzz", config)
        except DataError as error:
            str(error).encode()
