"""Calculations and error detection from files in the benchmarks' public shape."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from medft.compose import settings
from medft.errors import ConfigError
from medft.evaluation.asking import Answers
from medft.evaluation.config import SuiteConfig
from medft.evaluation.questions import collect
from medft.evaluation.suites import labels, number
from medft.evaluation.suites.number import said_value, within
from medft.inference.dialogue import templates
from medft.inference.generation import Reply

QA = templates()["medical_qa"]


def _suite(name: str, path: Path) -> SuiteConfig:
    return settings("evaluate", [f"suite={name}", f"suite.{name}.dataset.path={path}"]).suite[name]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Answer: 25.2", "25.2"), ("80 kg / 1.75^2, so the answer is 26.1 kg/m2.", "26.1"),
        ("Answer: -1", "-1"),
        ("**Answer:** 1,250 mL", "1,250"), ("Answer: 05/09/2023", "05/09/2023"), ("It is 7.", "7"),
        ("Answer: (34 weeks, 2 days)", "(34 weeks, 2 days)"), ("First answer: 3. Final answer: 4", "4"),
        ("Between 3 and 4", "unparsable"), ("none", "unparsable"), ("", "unparsable"),
        ("7 and again 7", "7"), ("Answer: BMI", "unparsable"),
    ],
)  # fmt: skip
def test_the_value_of_an_answer(text: str, value: str) -> None:
    assert said_value(text) == value


@pytest.mark.parametrize(
    ("said", "gold", "tolerance", "right"),
    [
        ("105", "100", 0.05, True), ("95", "100", 0.05, True), ("105.1", "100", 0.05, False),
        ("-95", "-100", 0.05, True), ("3.4", "3", 0, True), ("3.6", "3", 0, False),
        ("1,250", "1250", 0.05, True),
        ("5/9/2023", "05/09/2023", 0, True), ("5/9/23", "05/09/2023", 0, True),
        ("5/8/2023", "05/09/2023", 0, False),
        ("34 weeks and 2 days", "('34 weeks', '2 days')", 0, True),
        ("(34, 3)", "(34 weeks, 2 days)", 0, False),
        ("unparsable", "3", 0.05, False), ("0.001", "0", 0.05, False),
        ("1e999", "3", 0, False), ("9" * 400, "3", 0, False), ("1e999", "3", 0.05, False),
        ("9" * 5000 + " weeks 2 days", "(34 weeks, 2 days)", 0, False),
    ],
)  # fmt: skip
def test_within_the_rule(said: str, gold: str, tolerance: float, right: bool) -> None:
    assert within(said, gold, tolerance) == right


MEDCALC = ("Row Number", "Question", "Patient Note", "Ground Truth Answer", "Output Type")
MEDEC = ("Text ID", "Text", "Sentences", "Error Flag", "Error Sentence ID")


def _csv(path: Path, head: tuple[str, ...], *rows: tuple[str, ...]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def test_medcalc_is_scored_by_output_type(tmp_path: Path) -> None:
    rows = [("1", "BMI?", "80 kg, 1.75 m", "26.12", "decimal"), ("2", "GCS?", "Opens eyes", "14", "integer"),
            ("3", "Due date?", "LMP 1/1", "10/08/2023", "date")]  # fmt: skip
    config = _suite("medcalc", _csv(tmp_path / "test.csv", MEDCALC, *rows))
    asked = number.ask(config, collect(config, (), (), 0), QA)
    assert asked.questions[0].prompt[-1].content.startswith("80 kg, 1.75 m\n\nBMI?")
    answered = Answers()
    for q, said in zip(asked.questions, ("Answer: 26", "Answer: 13", "Answer: 10/8/2023"), strict=True):
        answered.replies[q.id] = Reply(said, 3, True)
    result = number.score(config, asked, {"base": answered}, 0)
    values = {f.group: f.systems["base"].value for f in result.metrics if f.name == "accuracy, generated"}
    assert values == {"": pytest.approx(2 / 3), "decimal": 1, "integer": 0, "date": 1}
    assert "Tolerance: decimal 5%, all 0%." in asked.notes


def test_medec_asks_for_the_flag_and_for_the_sentence(tmp_path: Path) -> None:
    rows = [("a", "Fever. Give rest.", "0 Fever.\n1 Give rest.", "1", "1"),
            ("b", "Well.", "0 Well.", "0", "-1"),
            ("", "", "", "", "")]  # fmt: skip
    path = _csv(tmp_path / "medec.csv", MEDEC, *rows)
    config = _suite("medec", path)
    items = collect(config, (), (), 0)
    assert [q.reference for q in labels.ask(config, items, QA).questions] == ["1", "0"]
    assert items.left_out == {"not selected by dataset.keep": 1}
    config = _suite("medec_sentence", path)
    asked = number.ask(config, collect(config, (), (), 0), QA)
    assert [q.reference for q in asked.questions] == ["1", "-1"]
    assert "1 Give rest." in asked.questions[0].prompt[-1].content


def test_a_gold_that_is_no_value_and_a_group_without_tolerance_are_refused(tmp_path: Path) -> None:
    for answer, group, message in (("much", "decimal", "neither a number"), ("3", "range", "no tolerance")):
        row = ("1", "Q?", "Note", answer, group)
        config = _suite("medcalc", _csv(tmp_path / "wrong.csv", MEDCALC, row))
        config = replace(config, tolerance={"decimal": 0.05})
        with pytest.raises(ConfigError, match=message):
            number.ask(config, collect(config, (), (), 0), QA)
