"""Strict reading of labels and refusals."""

from __future__ import annotations

import json

import pytest

from medft.evaluation.metrics import UNPARSABLE
from medft.evaluation.parsing import is_refusal, parse_choice, parse_label
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
        ("(A) yes", "yes"), ("a. No", "no"), ("The correct answer is no.", "no"), ("yes - the trial", "yes"),
        ("Yes – the trial", "yes"), ("Maybe—it depends", "maybe"), ("\\boxed{yes}", "yes"),
        ("The trial was small. Therefore, the answer is maybe.", "maybe"), ("It is no.", "no"),
        ("yes; no", UNPARSABLE), ("no-one knows", UNPARSABLE), ("yes and no", UNPARSABLE),
        ("The answer is yes. So the answer is no.", UNPARSABLE), ("The answer is not yes", UNPARSABLE),
        ("No, no.", "no"), ("yes yes", "yes"), ("No, no, yes", UNPARSABLE), ("yes, no", UNPARSABLE),
        ("Conclusion: yes", "yes"), ("In conclusion, no evidence was found", UNPARSABLE),
        ("In conclusion, no.", "no"), ("<think>Is it yes?</think>no", "no"),
        ("not yes", UNPARSABLE), ("It is yesterday's news", UNPARSABLE), ("yesno", UNPARSABLE),
    ],
)  # fmt: skip
def test_yes_no_maybe(text: str, label: str) -> None:
    assert parse_label(text, YES_NO) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Entailment", "entailment"), ("Label: contradiction.", "contradiction"), ("neutral", "neutral"),
        ("It is entailment", "entailment"), ("Contradiction - the patient", "contradiction"),
        ("The relationship is entailment.", "entailment"), ("not entailment", UNPARSABLE),
        ("negative", UNPARSABLE), ("The sentence says ...", UNPARSABLE),
    ],
)  # fmt: skip
def test_inference_labels(text: str, label: str) -> None:
    assert parse_label(text, NLI) == label


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"), ("(b)", "B"), ("B) Metformin", "B"), ("**C**", "C"), ("The correct answer is B", "B"),
        ("Answer: (C) Insulin glargine", "C"), ("Option D", "D"), ("D. None of the above", "D"),
        ("The best answer is option C.", "C"), ("Option B is correct", "B"), ("Metformin, since ...", "B"),
        ("Insulin", "A"), ("Insulin glargine.", "C"), ("Long story. The answer is A.", "A"),
        ("A patient with diabetes", UNPARSABLE), ("A or B", UNPARSABLE), ("A, B", UNPARSABLE),
        ("A. Insulin\nB. Metformin\nC. Insulin glargine", UNPARSABLE),
        ("(A) Insulin\n(B) Metformin", UNPARSABLE), ("I would choose B because", "B"),
        ("A. Insulin\nB. Metformin\n\nThe answer is B.", "B"), ("B. Metformin\n\nA. is wrong, since", "B"),
        ("A. Insulin glargine\n\nThe correct answer is D. Ins", UNPARSABLE), ("A. Metformin", UNPARSABLE),
        ("B. Metformin lowers glucose", "B"), ("A. Insulin", "A"), ("C) Insulin glargine is given", "C"),
        ("Letter: B", "B"), ("The letter of the right option is C.", "C"), ("The correct letter is B", "B"),
        ("<think>\nA or B?\n</think>\n\nB", "B"),
        ("B and C", UNPARSABLE), ("E", UNPARSABLE), ("None", UNPARSABLE), ("", UNPARSABLE),
    ],
)  # fmt: skip
def test_options_by_letter_or_words(text: str, letter: str) -> None:
    assert parse_choice(text, ["Insulin", "Metformin", "Insulin glargine", "None of the above"]) == letter


def _answers(*names: str) -> list[str]:
    lines = [line for n in names for line in (samples_dir() / f"{n}.jsonl").read_text().splitlines()]
    return [json.loads(line)["answer"] for line in lines]


def test_refusals_are_told_from_answers() -> None:
    refusals, answers = _answers("refusals"), _answers("medical_qa", "sounds_non_medical")
    assert sum(map(is_refusal, refusals)) / len(refusals) > 0.95
    assert sum(map(is_refusal, answers)) / len(answers) < 0.01


def test_a_missed_medication_is_no_refusal() -> None:
    assert not is_refusal("When I forget a dose of a medication, it is not uncommon, and not a punishment.")


@pytest.mark.parametrize(
    "text",
    ["I'm sorry, but I can't help with that.", "I cannot assist with this request.", "Sorry, no.",
     "I can only answer medical questions."],
)  # fmt: skip
def test_stock_refusals(text: str) -> None:
    assert is_refusal(text)


def test_silence_is_no_refusal() -> None:
    assert not is_refusal("")


def test_options_of_the_same_words_contradict_no_letter() -> None:
    assert parse_choice("B. None", ["None", "None", "Aspirin"]) == "B"
    assert parse_choice("None", ["None", "None", "Aspirin"]) == "A"
    assert parse_choice("B. Aspirin", ["None", "None", "Aspirin"]) == UNPARSABLE
