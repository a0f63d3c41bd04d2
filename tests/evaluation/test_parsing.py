"""Strict reading of labels and refusals."""

from __future__ import annotations

import json

import pytest

from medft.evaluation.metrics import UNPARSABLE
from medft.evaluation.parsing import is_refusal, parse_label
from medft.paths import samples_dir

YES_NO = ["yes", "no", "maybe"]
NLI = ["entailment", "neutral", "contradiction"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("yes", "yes"), ("Yes.", "yes"), (" NO\n", "no"), ("**Maybe**, since ...", "maybe"), ("'no'", "no"),
        ("Answer: yes", "yes"), ("The answer is no.", "no"), ("The final answer is: **yes**", "yes"),
        ("Yes, they do.", "yes"), ("no\nBecause ...", "no"),
        ("I do not know", UNPARSABLE), ("know", UNPARSABLE), ("No evidence was found.", UNPARSABLE),
        ("nothing", UNPARSABLE), ("yes or no", UNPARSABLE), ("yes/no", UNPARSABLE), ("", UNPARSABLE),
        ("not yes", UNPARSABLE), ("It is yesterday's news", UNPARSABLE), ("yesno", UNPARSABLE),
    ],
)  # fmt: skip
def test_yes_no_maybe(text: str, label: str) -> None:
    assert parse_label(text, YES_NO) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Entailment", "entailment"), ("Label: contradiction.", "contradiction"), ("neutral", "neutral"),
        ("The relationship is entailment.", "entailment"), ("not entailment", UNPARSABLE),
        ("negative", UNPARSABLE), ("The sentence says ...", UNPARSABLE),
    ],
)  # fmt: skip
def test_inference_labels(text: str, label: str) -> None:
    assert parse_label(text, NLI) == label


def _answers(*names: str) -> list[str]:
    lines = [line for n in names for line in (samples_dir() / f"{n}.jsonl").read_text().splitlines()]
    return [json.loads(line)["answer"] for line in lines]


def test_refusals_are_told_from_answers() -> None:
    refusals, answers = _answers("refusals"), _answers("medical_qa", "sounds_non_medical")
    assert sum(map(is_refusal, refusals)) / len(refusals) > 0.95
    assert sum(map(is_refusal, answers)) / len(answers) < 0.01


@pytest.mark.parametrize(
    "text",
    ["I'm sorry, but I can't help with that.", "I cannot assist with this request.", "Sorry, no.",
     "I can only answer medical questions."],
)  # fmt: skip
def test_stock_refusals(text: str) -> None:
    assert is_refusal(text)


def test_silence_is_no_refusal() -> None:
    assert not is_refusal("")
