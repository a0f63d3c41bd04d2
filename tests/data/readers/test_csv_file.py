"""csv and parquet: what is read of them, and the place of every row that cannot be."""

import pytest

from medft.data.readers.rows import RowError, SourceRow
from medft.data.readers.sources import read_rows
from medft.errors import DataError
from tests.data.support import bad, dataset, rows_of, write


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
    assert [type(item) for item in read_rows(dataset("csv", path))] == [RowError, SourceRow]


def test_a_quote_that_nobody_closes_is_said_with_the_last_line_that_it_takes(tmp_path):
    path = write(tmp_path / "x.csv", 'question,answer\na,b\nc,"d\ne,f\ng,h\n')
    error = bad(dataset("csv", path))
    assert error.where == f"{path}:3"
    assert "to line 5" in str(error)


def test_blanks_around_names_and_behind_commas_are_none_of_theirs(tmp_path):
    path = write(tmp_path / "x.csv", 'question , answer\n"a, b?", "c, d"\n')
    assert rows_of(dataset("csv", path)) == [("x.csv:2", {"question": "a, b?", "answer": "c, d"})]


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
    with pytest.raises(DataError, match="parquet file is incomplete") as error:
        rows_of(dataset("parquet", path))
    assert str(path) in error.value.where


def test_a_line_that_says_what_separates_is_no_header(tmp_path):
    path = write(tmp_path / "x.csv", "\ufeffsep=;\r\nquestion;answer\r\na, b, c?;d\r\nq\r\n")
    assert rows_of(dataset("csv", path)) == [("x.csv:3", {"question": "a, b, c?", "answer": "d"})]
    assert bad(dataset("csv", path)).where == f"{path}:4"


def test_what_stands_in_quotes_does_not_separate(tmp_path):
    path = write(tmp_path / "x.csv", '"Frage, kurz, klar";Antwort\nb?;c\n')
    assert rows_of(dataset("csv", path)) == [("x.csv:2", {"Frage, kurz, klar": "b?", "Antwort": "c"})]


def test_json_in_the_place_of_a_csv_is_named(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('{"question": "What is gout?", "answer": "A disease."}\n')
    with pytest.raises(DataError, match="JSON and not a csv") as error:
        list(read_rows(dataset("csv", path)))
    assert error.value.remedy == "dataset.reader=jsonl"
