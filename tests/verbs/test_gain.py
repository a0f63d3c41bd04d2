"""The gain that a run ends with is the difference of its bits per byte, and certain only where it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from medft.data.record import Record
from medft.engine.trainer import Answer
from medft.evaluation.measures import Measure, summarize
from medft.evaluation.questions import Question
from medft.verbs.gain import gain
from tests.data.support import record


def answers(gains: list[float]) -> list[Answer]:
    """Answers of 10, 20, ... bytes at 2 bits a byte, that lose ``gains`` of them."""
    sizes = [10.0 * number for number in range(1, len(gains) + 1)]
    return [Answer(2 * math.log(2) * n, (2 - less) * math.log(2) * n, n, place)
            for place, (n, less) in enumerate(zip(sizes, gains, strict=True))]  # fmt: skip


def alone(rows: int) -> list[Record]:
    return [record(id=str(row)) for row in range(rows)]


def test_it_is_the_difference_of_the_two_figures_weighted_by_bytes() -> None:
    gains = [0.1, 0.2, 0.3, 0.4] * 10
    found = gain(answers(gains), alone(40), 0)
    assert found is not None
    weighted = sum(number * less for number, less in enumerate(gains, 1))
    assert found["value"] == pytest.approx(-weighted / sum(range(1, 41)))
    assert found["low"] < found["value"] < found["high"] < 0
    assert found["verdict"] == "better" and found["rows"] == 40
    assert found["words"].startswith(f"better ({found['value']:+.3f} [{found['low']:+.3f}, ")


def test_a_change_that_may_be_none_is_not_called_a_gain() -> None:
    found = gain(answers([0.3, -0.3, 0.2, -0.2, 0.1, -0.1] * 5), alone(30), 0)
    assert found is not None and found["low"] < 0 < found["high"]
    assert found["verdict"] == "no significant change"
    few = gain(answers([0.3] * 4), alone(4), 0)
    assert few is not None and few["verdict"] == "too few items"
    assert gain([], [], 0) is None


def test_rows_of_one_document_count_as_one_and_an_evaluation_says_the_same() -> None:
    gains = list(np.random.default_rng(1).normal(0.02, 0.1, 60))
    records = [record(id=str(row), groups=(f"document {row // 3}",)) for row in range(60)]
    known = answers(gains)
    found = gain(known[::-1], records, 5)  # the trainer's order is another
    assert found is not None and found["units"] == 20 and found["rows"] == 60
    items = [Question(each.id, (), "", cluster=each.groups[0]) for each in records]
    bits = {"base": [2.0] * 60, "tuned": [2 - each for each in gains]}
    evaluated = summarize(
        Measure("bits per byte", "mean", bits, [each.size for each in known], False, "", items), 5
    ).differences["tuned - base"]
    assert [found[name] for name in ("value", "low", "high", "p")] == pytest.approx(
        [evaluated.value, evaluated.low, evaluated.high, evaluated.p]
    )
    # A sandwich of clusters by hand: what the interval's width comes from, the skewness aside.
    sizes = np.array([each.size for each in known]).reshape(20, 3)
    lost = -np.array(gains).reshape(20, 3) * sizes
    residual = lost.sum(1) - found["value"] * sizes.sum(1)
    error = math.sqrt((residual**2).sum() * 20 / 19) / sizes.sum()
    assert found["high"] - found["low"] == pytest.approx(2 * norm.ppf(0.975) * error, rel=0.2)
    assert gain(known[:27], [*records[:12], *records[:12], *records[:3]], 0)["verdict"] == "too few items"  # type: ignore[index]
