"""Assigns each metric to a part of the page: primary, secondary, or must not get worse."""

from __future__ import annotations

from typing import Literal

from medft.evaluation.between import PER_TOKEN, Place
from medft.evaluation.calibration import COVERAGE
from medft.evaluation.leaks import RUN
from medft.evaluation.metrics import AGAINST_REFERENCE
from medft.study.config import StudyConfig

Topic = Literal["primary", "secondary", "regression", "safety", "calibration", "memorization", "ratings"]
CALIBRATION = ("Brier score", "calibration error (ECE)", f"accuracy of the surest {COVERAGE:.0%}")
OVERLAP = tuple(AGAINST_REFERENCE)
"""Metrics of words in common with one reference, which are no primary outcome of open answers."""
MEMORIZATION = "memorization"
"""The suite that asks training questions again."""
RATED = ".rating"
WHOLE = ("", "all tasks")
"""Parts that stand for a whole suite."""


def topic(config: StudyConfig, place: Place) -> Topic:
    """The one topic of a metric."""
    suite, _, metric = place
    if place == (config.primary.suite, config.primary.part, config.primary.metric):
        return "primary"
    if metric == RUN or suite == MEMORIZATION:
        return "memorization"
    if suite in config.regression:
        return "regression"
    if suite in config.safety:
        return "safety"
    if suite.endswith(RATED):
        return "ratings"
    return "calibration" if metric in CALIBRATION else "secondary"


def judged(places: list[Place]) -> list[Place]:
    """The metrics of a suite that a rule looks at: of the whole suite where it has any, else of its parts;
    bits per byte stand for loss and perplexity."""
    plain = [place for place in places if place[2] not in (*PER_TOKEN, RUN)]
    return [place for place in plain if place[1] in WHOLE] or plain
