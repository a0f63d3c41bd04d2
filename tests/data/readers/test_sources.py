"""Readers: what they read, and one clear error with file and line for everything that they cannot."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medft.data.readers import csv_file, utf8
from medft.data.readers.columns import check_columns, to_record
from medft.data.readers.guess import guess
from medft.data.readers.registry import READERS
from medft.data.readers.rows import RowError, SourceRow
from medft.data.readers.sources import read_rows, splits_by_name
from medft.errors import DataError
from tests.data.support import FIXTURES, bad, dataset, jsonl, prepared, qa, rows_of, write


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


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("diabetes", "blood_test"), {}),
        (("diabetes", "Test.v2"), {"Test.v2": "test"}),
        (("med_dev", "med_test"), {"med_dev": "validation", "med_test": "test"}),
        (("med_train", "med_test", "more"), {"med_train": "train", "med_test": "test"}),
        (("test",), {}),
    ],
)
def test_a_word_in_a_name_is_a_split_only_among_others(names, found):
    files = [Path(f"{name}.csv") for name in names]
    assert splits_by_name(files) == {Path(f"{name}.csv"): split for name, split in found.items()}


def test_splits_by_names_of_files_are_said_by_the_ledger(tmp_path):
    for name, start in (("diabetes", 0), ("blood_test", 30)):
        jsonl(tmp_path / f"{name}.jsonl", qa(30, start))
    config = dataset("jsonl", tmp_path)
    assert {item.split for item in read_rows(config)} == {""}
    assert not prepared(config, tmp_path.parent).ledger.notes
    (tmp_path / "diabetes.jsonl").rename(tmp_path / "train.jsonl")
    assert {item.split for item in read_rows(config)} == {"train", "test"}
    (note,) = prepared(config, tmp_path.parent).ledger.notes
    assert note == "test: by their names, blood_test.jsonl is test, train.jsonl is train"


def test_hidden_files_and_folders_are_no_data(tmp_path):
    jsonl(tmp_path / "a.jsonl", qa(2))
    write(tmp_path / "._a.jsonl", b"\0\5\x16\7")
    (tmp_path / ".checkpoints").mkdir()
    jsonl(tmp_path / ".checkpoints" / "a.jsonl", qa(2))
    assert len(rows_of(dataset("jsonl", tmp_path))) == 2
    assert guess(tmp_path, {}).task == "qa"


@pytest.mark.parametrize("reader", sorted(READERS))
def test_a_missing_and_an_empty_file_are_errors_that_say_how_to_get_it(tmp_path, reader):
    for path, what in ((tmp_path / "nowhere", "does not exist"), (write(tmp_path / "empty", ""), "empty")):
        with pytest.raises(DataError, match=what) as error:
            list(read_rows(dataset(reader, path, obtain="download it from there")))
        assert error.value.where == str(path)
        assert error.value.remedy == "download it from there"


@pytest.mark.parametrize("reader", ["csv", "jsonl", "text"])
@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        ("question,answer\nq?,a\n".encode("utf-16"), "UTF-16", "iconv -f UTF-16"),
        ("question,answer\nq?,a\n".encode("utf-32"), "UTF-32", "iconv -f UTF-32"),
        (b"PK\x03\x04\x14\x00", "Excel workbook", "dataset.reader=xlsx"),
        (b"PAR1\x15\x04", "parquet", "dataset.reader=parquet"),
        (b"\x89PNG\r\n\x1a\n", "a picture", "file of text"),
        (b"%PDF-1.7\n", "a PDF", "extract its text"),
    ],
)
def test_a_file_that_is_no_utf8_text_is_refused_with_the_way_out(tmp_path, reader, content, what, remedy):
    path = write(tmp_path / "x", content)
    with pytest.raises(DataError, match=what) as error:
        list(read_rows(dataset(reader, path)))
    assert remedy in error.value.remedy and error.value.where == str(path)


PACK = {
    "gz": lambda content: gzip.compress(content, mtime=0),
    "zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize("ending", PACK)
def test_compressed_files_are_read_as_they_are_and_from_folders_and_broken_ones_are_told(tmp_path, ending):
    text = "question,answer\n" + "".join(f"q{n}?,grün {n}\n" for n in range(5000))
    path = write(tmp_path / f"train.csv.{ending}", PACK[ending](text.encode()))
    assert len(rows_of(dataset("csv", path))) == 5000
    write(tmp_path / f"test.csv.{ending}", PACK[ending](b"question,answer\nq?,a\n"))
    splits = {item.split for item in read_rows(dataset("csv", tmp_path))}
    assert splits == {"train", "test"}
    write(path, path.read_bytes()[:-200])
    with pytest.raises(DataError, match="incomplete") as error:
        list(read_rows(dataset("csv", path)))
    assert error.value.where == str(path)


@pytest.mark.parametrize("name", ["train.json", "dev.ndjson", "x.jsonl", "TEST.JSON"])
def test_json_of_any_ending_is_taken_from_a_folder(tmp_path, name):
    write(tmp_path / name, '[{"question": "q?", "answer": "a"}]')
    write(tmp_path / "notes.md", "no data")
    assert len(rows_of(dataset("jsonl", tmp_path))) == 1


def test_a_tab_separated_file_may_have_commas_in_its_header_and_a_semicolon_file_too(tmp_path):
    tabs = write(tmp_path / "x.tsv", "question\tanswer, short\nq, r?\ta\n")
    assert rows_of(dataset("csv", tabs))[0][1] == {"question": "q, r?", "answer, short": "a"}
    semicolons = write(tmp_path / "x.csv", "question;answer;note, private\nq?;a;b\n")
    assert rows_of(dataset("csv", semicolons))[0][1]["note, private"] == "b"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"question,answer,answer\nq,a,b\n", "the name 'answer'"),
        ("Frage,Ärztliche Antwort\nq,a\n".encode("cp1252"), "as Windows-1252 it says 'Ärztliche Antwort'"),
        ("question,answer\nq,a\n".encode("utf-16-le"), "UTF-16"),
    ],
)
def test_a_header_that_cannot_be_meant_is_refused(tmp_path, content, what):
    path = write(tmp_path / "x.csv", content)
    with pytest.raises(DataError, match=what) as error:
        list(read_rows(dataset("csv", path)))
    assert error.value.where == f"{path}:1"


def test_a_key_that_stands_twice_in_an_object_is_refused_by_its_row(tmp_path):
    twice = '{"a": 1, "b": {"c": 1, "c": 2}}'
    for text, place, after in (
        (f'{twice}\n{{"b": 1}}\n', "x:1", "x:2"),
        (f'[{{"b": 1}}, {twice}, {{"b": 1}}]', "x row 2", "x row 3"),
    ):
        config = dataset("jsonl", write(tmp_path / "x", text))
        error = bad(config)
        assert (error.reason, error.where.rsplit("/")[-1]) == ("duplicate_key", place)
        assert rows_of(config)[-1] == (after, {"b": 1})


def test_parquet_says_which_row_has_a_value_that_is_no_text_and_refuses_names_that_come_twice(tmp_path):
    texts = pa.array([b"fine", b"\xff\xfe", b"fine too"]).view(pa.string())
    pq.write_table(pa.table({"question": texts}), tmp_path / "x.parquet")
    error = bad(dataset("parquet", tmp_path / "x.parquet"))
    assert (error.reason, error.where) == ("malformed_value", f"{tmp_path / 'x.parquet'} row 2")
    pq.write_table(pa.table([pa.array(["a"]), pa.array(["b"])], ["answer", "answer"]), tmp_path / "y.parquet")
    with pytest.raises(DataError, match="the name 'answer'"):
        list(read_rows(dataset("parquet", tmp_path / "y.parquet")))


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
    st.sampled_from(sorted(READERS)),
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
