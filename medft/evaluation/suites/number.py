"""Answers that are a number, a date or a time in weeks and days: right within the tolerance of its group.

With a tolerance of 0.05 that is MedCalc-Bench's rule for calculations by equation (arXiv 2406.12036); with 0
the rounded number has to be the gold one, as there for scores; dates and durations have to be the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from medft.errors import ConfigError
from medft.evaluation.asking import Answers
from medft.evaluation.config import SuiteConfig
from medft.evaluation.measures import Measure, Metric, summarize
from medft.evaluation.metrics import UNPARSABLE, majority_share
from medft.evaluation.questions import Items, Question, prompt, words_for
from medft.evaluation.suites.base import QuestionSet, Result, common, groups, wording_note
from medft.prompt.config import TemplateConfig

ALL = "all"
"""The tolerance of groups that have none of their own."""
_DATE = r"\d{1,2}/\d{1,2}/(?:\d{4}|\d\d)(?!\d)"
_COUNT = r"\d{1,15}"
_WEEKS = (
    rf"\(?['\"]?{_COUNT}(?: ?weeks?)?['\"]?,? (?:and )?['\"]?{_COUNT} ?days?['\"]?\)?"
    rf"|\({_COUNT}, ?{_COUNT}\)"
)
_NUMBER = r"(?<![\w.])[-+−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"
_VALUE = re.compile(f"{_DATE}|{_WEEKS}|{_NUMBER}", re.IGNORECASE)
_SAID = re.compile(r"answer(?: is| would be)?[^\w(+−-]{0,6}", re.IGNORECASE)

Value = float | tuple[int, ...]
"""A number, or the numbers of a date or a duration."""


def ask(config: SuiteConfig, items: Items, template: TemplateConfig) -> QuestionSet:
    """One question per record; its label is the gold value.

    Raises:
        ConfigError: a gold value cannot be read, or its group has no tolerance.
    """
    questions = []
    for record in items.records:
        if value_of(record.label) is None:
            raise ConfigError(
                "a gold answer is neither a number, a date nor a duration",
                where=f"record {record.id}: '{record.label}'",
                remedy="map dataset.columns.label",
            )
        _tolerance(config, record.group)
        asked = prompt(record, words_for(record, template, config.template))
        questions.append(Question(record.id, asked, record.label, group=record.group))
    rules = ", ".join(f"{name} {share:.0%}" for name, share in config.tolerance.items())
    notes = (wording_note(config, items.records, template), f"Tolerance: {rules}.")
    return QuestionSet(tuple(questions), notes)


def score(config: SuiteConfig, asked: QuestionSet, answers: Mapping[str, Answers], seed: int) -> Result:
    """Accuracy over all questions and per group, and the share of answers without a value."""
    questions = common(asked.questions, answers)
    read = {
        system: {q.id: said_value(each.replies[q.id].text) for q in questions}
        for system, each in answers.items()
    }
    found: list[Metric] = []
    for group, part in groups(questions).items():
        name = group if len(part) < len(questions) else ""
        hits = {
            s: [within(values[q.id], q.reference, _tolerance(config, q.group)) for q in part]
            for s, values in read.items()
        }
        found.append(summarize(Measure("accuracy, generated", "share", hits, group=name, items=part), seed))
    lost = {s: [values[q.id] == UNPARSABLE for q in questions] for s, values in read.items()}
    found.append(summarize(Measure("unparsable", "share", lost, None, False, "", questions), seed))
    return Result(tuple(found), {"majority baseline": majority_share([q.reference for q in questions])}, read)


def said_value(text: str) -> str:
    """The value that an answer gives, as it is written there: after the last "answer", or the only one in the
    text; ``UNPARSABLE`` otherwise."""
    for said in reversed(list(_SAID.finditer(text))):
        if found := _VALUE.match(text, said.end()):
            return found.group()
    values = {found.group() for found in _VALUE.finditer(text)}
    return values.pop() if len(values) == 1 else UNPARSABLE


def value_of(text: str) -> Value | None:
    """What a text means: a number, or the numbers of a date (month, day, year) or a duration; None for
    neither, and for a number too large to compute with."""
    text = text.strip()
    if re.fullmatch(_NUMBER, text, re.IGNORECASE):
        value = float(text.replace(",", "").replace("−", "-"))
        return value if math.isfinite(value) else None
    if re.fullmatch(f"{_DATE}|{_WEEKS}", text, re.IGNORECASE):
        *before, last = (int(digits) for digits in re.findall(r"\d+", text))
        return (*before, last + 2000 if "/" in text and last < 100 else last)
    return None


def within(said: str, gold: str, tolerance: float) -> bool:
    """Whether what was said is the gold value, numbers to a relative tolerance; 0 rounds what was said."""
    value, wanted = value_of(said), value_of(gold)
    if isinstance(value, float) and isinstance(wanted, float):
        return abs(value - wanted) <= tolerance * abs(wanted) if tolerance else round(value) == wanted
    return value is not None and value == wanted


def _tolerance(config: SuiteConfig, group: str) -> float:
    for name in (group, ALL):
        if name in config.tolerance:
            return config.tolerance[name]
    raise ConfigError(
        f"the suite has no tolerance for the group '{group}'",
        where=f"it has: {', '.join(config.tolerance)}",
        remedy=f"suite.<name>.tolerance.{ALL}=0.05 holds for every other group",
    )
