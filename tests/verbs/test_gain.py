"""The gain that a run ends with is the difference of its bits per byte, and certain only where it is."""

from __future__ import annotations

import math

import pytest

from medft.engine.trainer import Answer
from medft.verbs.gain import gain


def answers(gains: list[float]) -> list[Answer]:
    """Answers of 10, 20, ... bytes at 2 bits a byte, that lose ``gains`` of them."""
    sizes = [10.0 * number for number in range(1, len(gains) + 1)]
    return [Answer(2 * math.log(2) * n, (2 - less) * math.log(2) * n, n)
            for n, less in zip(sizes, gains, strict=True)]  # fmt: skip


def test_it_is_the_difference_of_the_two_figures_weighted_by_bytes() -> None:
    gains = [0.1, 0.2, 0.3, 0.4] * 10
    found = gain(answers(gains))
    assert found is not None
    weighted = sum(number * less for number, less in enumerate(gains, 1))
    assert found["value"] == pytest.approx(-weighted / sum(range(1, 41)))
    assert found["low"] < found["value"] < found["high"] < 0
    assert found["verdict"] == "better" and found["rows"] == 40
    assert found["words"].startswith(f"better ({found['value']:+.3f} [{found['low']:+.3f}, ")


def test_a_change_that_may_be_none_is_not_called_a_gain() -> None:
    found = gain(answers([0.3, -0.3, 0.2, -0.2, 0.1, -0.1] * 5))
    assert found is not None and found["low"] < 0 < found["high"]
    assert found["verdict"] == "no significant change"
    few = gain(answers([0.3] * 4))
    assert few is not None and few["verdict"] == "too few items"
    assert gain([]) is None
