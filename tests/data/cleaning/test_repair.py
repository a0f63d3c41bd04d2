"""Repairs and filters of one record, each under its own name."""

from collections import Counter

import pytest

from medft.data.cleaning.repair import BLANK_ANSWER, BLANK_LABEL, BLANK_QUESTION, LEFTOVER, TOO_LONG, clean
from medft.data.config import CleaningConfig
from medft.data.record import Message, Record
from tests.data.support import record


def cleaned(made: Record, **config) -> tuple[Record | str, Counter[str]]:
    repairs: Counter[str] = Counter()
    return clean(made, CleaningConfig(**config), repairs), repairs


def test_rows_that_are_too_long_together_are_dropped_when_asked():
    row = record("What is it?", "An illness.", context="A note.")  # 29 characters
    assert cleaned(row, max_characters=29)[0] == row
    assert cleaned(row, max_characters=28)[0] == TOO_LONG


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
    done, repairs = cleaned(record(before, before, context=before))
    assert (done.question, done.context, done.answer) == (after, after, after)
    assert repairs == {repair: 1}


@pytest.mark.parametrize("ending", [" ?", "? ?", "?? ?", "??", " ? ?"])
def test_question_marks_are_tidied_in_questions_only(ending):
    done, repairs = cleaned(record(f"What is asthma{ending}", f"Is it{ending}"))
    assert done.question == "What is asthma?"
    assert done.answer == f"Is it{ending}"
    assert repairs == {"question_mark": 1}


def test_a_clean_record_is_left_as_it_is():
    made = record("Is 5 ? 6 one? Yes.", "Tabs are\n\nfine: é")
    assert cleaned(made) == (made, Counter())


def test_blank_rows_are_dropped_by_what_they_lack():
    assert cleaned(record(answer=" \n"))[0] == BLANK_ANSWER
    assert cleaned(record(question=""))[0] == BLANK_QUESTION
    assert cleaned(record(answer="", label="yes"))[0] == BLANK_ANSWER
    assert cleaned(record(answer="Long.", task="yes_no"))[0] == BLANK_LABEL
    assert isinstance(cleaned(record(answer="", label="yes", task="yes_no"))[0], Record)
    assert isinstance(cleaned(record(answer="", label="urgent", task="triage"))[0], Record)
    assert isinstance(cleaned(record(answer=""), drop_blank_answers=False)[0], Record)
    empty = record("", "", turns=(Message("user", "a"), Message("assistant", " ")))
    assert cleaned(empty)[0] == BLANK_ANSWER


@pytest.mark.parametrize(
    "text",
    [
        "Could you provide me with the text that needs to be rephrased?",
        "Could you please provide the original sentence or context for me to rephrase it?",
        "Could you provide more context? This sentence is already in proper English.",
        "Could you provide me the original text?",
        "Could you provide me with the context of this sentence so I can help?",
    ],
)
def test_what_a_rephrasing_model_left_over_is_dropped(text):
    assert cleaned(record(question=text))[0] == LEFTOVER
    assert cleaned(record(answer=text))[0] == LEFTOVER
    assert isinstance(cleaned(record(question=text), drop_leftovers=False)[0], Record)


@pytest.mark.parametrize(
    "text",
    [
        "Could you provide me with an overview of eclampsia, please?",
        "Can you provide an overview of paraphimosis, please?",
        "Could you please provide information on Dermatomyositis and its characteristics?",
        "Could you explain the meaning of the term ejection fraction, please?",
    ],
)
def test_polite_questions_stay(text):
    assert isinstance(cleaned(record(question=text))[0], Record)
