"""Filters of one repaired record, each under its own name."""

import pytest

from medft.data.cleaning.filters import (
    BLANK_ANSWER,
    BLANK_LABEL,
    BLANK_QUESTION,
    LEFTOVER,
    TOO_LONG,
    reason_to_drop,
)
from medft.data.cleaning_config import CleaningConfig
from medft.data.record import Message, Record
from tests.data.support import record


def reason(made: Record, **config) -> str | None:
    return reason_to_drop(made, CleaningConfig(**config))


def test_rows_that_are_too_long_together_are_dropped_when_asked():
    row = record("What is it?", "An illness.", context="A note.")  # 29 characters
    assert reason(row, max_characters=29) is None
    assert reason(row, max_characters=28) == TOO_LONG


def test_blank_rows_are_dropped_by_what_they_lack():
    assert reason(record(answer="")) == BLANK_ANSWER
    assert reason(record(question="")) == BLANK_QUESTION
    assert reason(record(answer="", label="yes")) == BLANK_ANSWER
    assert reason(record(answer="Long.", task="yes_no")) == BLANK_LABEL
    assert reason(record(answer="", label="yes", task="yes_no")) is None
    assert reason(record(answer="", label="urgent", task="triage")) is None
    assert reason(record(answer=""), drop_blank_answers=False) is None
    empty = record("", "", turns=(Message("user", "a"), Message("assistant", "")))
    assert reason(empty) == BLANK_ANSWER


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
    assert reason(record(question=text)) == LEFTOVER
    assert reason(record(answer=text)) == LEFTOVER
    assert reason(record(question=text), drop_leftovers=False) is None


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
    assert reason(record(question=text)) is None
