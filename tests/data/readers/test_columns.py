"""The column map: nested values, conversations, labels, and what no column may hold."""

import pytest

from medft.data.readers.columns import check_columns, selected, split_of, to_record
from medft.data.readers.rows import RowError, SourceRow
from medft.data.readers.utf8 import MAX_FIELD
from medft.data.record import Message
from medft.errors import DataError
from tests.data.support import dataset


def mapped(values, **settings):
    return to_record(SourceRow("f:7", values), 7, "set", dataset(**settings))


def test_dots_reach_into_nested_values_and_lists_become_paragraphs():
    columns = {"question": "q", "answer": "a", "context": "context.contexts", "id": "pubid"}
    made = mapped(
        {"q": "Q?", "a": "A", "context": {"contexts": ["one", "", "two"]}, "pubid": 42}, columns=columns
    )
    assert (made.id, made.question, made.context, made.answer) == ("set:42", "Q?", "one\n\ntwo", "A")


def test_a_column_whose_name_has_a_dot_is_found_first():
    assert mapped({"a.b": "x", "a": {"b": "y"}}, columns={"question": "a.b"}).question == "x"


def test_rows_without_an_id_are_numbered_and_null_is_blank():
    made = mapped({"question": None, "answer": float("nan")})
    assert (made.id, made.question, made.answer) == ("set:7", "", "")


def test_fixed_texts_fill_fields_without_a_column():
    assert mapped({"question": "q", "answer": ""}, fixed={"answer": "No."}).answer == "No."


def test_a_long_group_is_a_digest_of_it():
    columns = {"question": "q", "group": "note"}
    one, same, other = (mapped({"q": "", "note": n * 100}, columns=columns).groups for n in "aab")
    assert one == same != other
    assert len(one[0]) == 32


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("a\0b", "null_bytes"),
        ("caf\udce9", "not_utf8"),
        ("\ud800", "not_utf8"),
        ("x" * (MAX_FIELD + 1), "oversized_field"),
        ({"nested": 1}, "not_text"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place_and_without_its_content(value, reason):
    with pytest.raises(RowError) as error:
        mapped({"question": value, "answer": "a"})
    assert (error.value.reason, error.value.where) == (reason, "f:7")
    assert "caf" not in str(error.value)


def test_a_label_outside_the_set_is_refused():
    settings = {"columns": {"question": "q", "label": "l"}, "labels": ["yes", "no"]}
    assert mapped({"q": "", "l": " yes "}, **settings).label == "yes"
    with pytest.raises(RowError, match="yes, no") as error:
        mapped({"q": "", "l": "-"}, **settings)
    assert error.value.reason == "unknown_label"


def test_a_conversation_has_a_task_of_its_own_and_its_texts_are_checked():
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    made = mapped({"t": turns}, columns={"turns": "t"})
    assert made.turns == (Message("user", "Q"), Message("assistant", "A"))
    assert (made.task, made.question, made.answer) == ("conversation", "", "")
    with pytest.raises(RowError) as error:
        mapped({"t": [turns[0], {"role": "assistant", "content": "a\0"}]}, columns={"turns": "t"})
    assert error.value.reason == "null_bytes"


def test_a_missing_column_names_those_there_are_and_the_nearest():
    rows = [SourceRow("f:1", {"Question": "q", "Answer": "a", "qtype": "t"})]
    with pytest.raises(DataError) as error:
        check_columns(iter(rows), dataset())
    assert "no column 'question'. Did you mean 'Question'?" in error.value.what
    assert error.value.where == "dataset.columns.question"
    assert "Answer, Question, qtype" in error.value.remedy


def test_column_names_that_are_not_utf8_can_still_be_told():
    with pytest.raises(DataError) as error:
        check_columns(iter([SourceRow("f:1", {"caf\udce9": "q"})]), dataset())
    assert "caf?" in str(error.value).encode().decode()


def test_a_column_that_only_later_rows_have_is_no_missing_one():
    rows = [SourceRow("f:1", {"question": "q"}), SourceRow("f:2", {"question": "q", "answer": "a"})]
    assert list(check_columns(iter(rows), dataset())) == rows


def test_rows_are_selected_by_the_value_of_a_column():
    config = dataset(keep={"label": ["0"]})
    assert [selected(SourceRow("", {"label": value}), config) for value in (0, "0", 1, None)] == [
        True,
        True,
        False,
        False,
    ]


def test_a_split_column_speaks_the_words_of_the_field():
    config = dataset(columns={"question": "q", "split": "s"})
    assert [split_of(SourceRow("", {"s": word}), config) for word in ("Train", "dev", "test", "")] == [
        "train",
        "validation",
        "test",
        "",
    ]
    with pytest.raises(RowError, match="train, validation or test"):
        split_of(SourceRow("", {"s": "7"}), config)


def test_bytes_are_text_where_they_are_utf8_and_refused_elsewhere():
    assert mapped({"question": "grün?".encode(), "answer": [b"a", "b"]}).question == "grün?"
    for value, reason in ((b"\xff\xfe3", "not_utf8"), ([("a", "b")], "not_text")):
        with pytest.raises(RowError) as error:
            mapped({"question": value, "answer": "a"})
        assert error.value.reason == reason


def test_several_columns_are_joined_and_each_must_be_there():
    columns = {"question": ["title", "body"], "answer": "a"}
    assert mapped({"title": "T", "body": "B", "a": "x"}, columns=columns).question == "T\n\nB"
    assert mapped({"title": "T", "body": " ", "a": "x"}, columns=columns).question == "T"
    row = SourceRow("f:1", {"title": "T", "text": "B", "a": "x"})
    with pytest.raises(DataError, match="no column 'body'"):
        check_columns(iter([row]), dataset(columns=columns))


def test_the_language_may_stand_in_a_column():
    columns = {"question": "q", "language": "lang"}
    made = [
        mapped({"q": "x", "lang": lang}, columns=columns, language="fr").language
        for lang in ("de-AT", "KO", "", None, "German", " ENGLISH ", "中文")
    ]
    assert made == ["de", "ko", "fr", "fr", "de", "en", "zh"]
    with pytest.raises(RowError, match="column 'lang' says none") as error:
        mapped({"q": "x", "lang": "Elvish"}, columns=columns)
    assert error.value.reason == "unknown_language"


def test_labels_may_be_mapped_to_the_words_of_a_prompt():
    columns = {"question": "q", "label": "gold"}
    settings = {"columns": columns, "labels": {0: "contradiction", "SUPPORTS": "entailment"}}
    assert mapped({"q": "", "gold": 0}, **settings).label == "contradiction"
    assert mapped({"q": "", "gold": 0.0}, **settings).label == "contradiction"
    assert mapped({"q": "", "gold": "SUPPORTS"}, **settings).label == "entailment"
    with pytest.raises(RowError, match="none of 0, SUPPORTS"):
        mapped({"q": "", "gold": "2"}, **settings)
