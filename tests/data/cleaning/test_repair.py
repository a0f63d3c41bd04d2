"""Repairs of one record, each under its own name."""

from collections import Counter

import pytest

from medft.data.cleaning.repair import repair
from medft.data.record import Message, Record
from tests.data.support import record


def repaired(made: Record) -> tuple[Record, Counter[str]]:
    repairs: Counter[str] = Counter()
    return repair(made, repairs), repairs


@pytest.mark.parametrize(
    ("before", "after", "repair"),
    [
        ("a\r\nb\rc", "a\nb\nc", "crlf"),
        ("a  b\t c \n  d", "a b c\nd", "whitespace"),
        ("a\n\n\n\nb", "a\n\nb", "whitespace"),
        ("a\u00a0b", "a b", "whitespace"),
        ("e\u0301", "é", "unicode_nfc"),
        ("a\x07\u200bb", "ab", "control_characters"),
    ],
)
def test_texts_are_repaired_and_counted_once_a_row(before, after, repair):
    done, repairs = repaired(record(before, before, context=before))
    assert (done.question, done.context, done.answer) == (after, after, after)
    assert repairs == {repair: 1}


@pytest.mark.parametrize("ending", [" ?", "? ?", "?? ?", "??", " ? ?"])
def test_question_marks_are_tidied_in_questions_only(ending):
    done, repairs = repaired(record(f"What is asthma{ending}", f"Is it{ending}"))
    assert done.question == "What is asthma?"
    assert done.answer == f"Is it{ending}"
    assert repairs == {"question_mark": 1}


def test_a_clean_record_is_left_as_it_is():
    made = record("Is 5 ? 6 one? Yes.", "Tabs are\n\nfine: é")
    assert repaired(made) == (made, Counter())


def test_blanks_alone_are_nothing():
    made = record("", " \n", turns=(Message("user", "a"), Message("assistant", " ")))
    done, _ = repaired(made)
    assert (done.answer, done.turns[1].content) == ("", "")
