"""Calibration against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import brier_score_loss

from medft.evaluation import calibration
from medft.evaluation.calibration import belief


def _drawn(n: int, options: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.gamma(2.0, 3.0, (n, options)), rng.integers(0, options, n)


def test_a_belief_is_the_softmax_of_log_likelihoods() -> None:
    nats, gold = _drawn(50, 4)
    for row, right in zip(nats, gold, strict=True):
        p = softmax(-row)
        found = belief(list(row), int(right))
        assert found.confidence == pytest.approx(p.max())
        assert found.hit == (p.argmax() == right)
    assert belief([900.0, 901.0], 0).confidence == pytest.approx(1 / (1 + np.exp(-1)))  # no underflow


def test_brier_score_is_that_of_scikit_learn() -> None:
    nats, gold = _drawn(200, 3)
    found = np.mean([belief(list(row), int(right)).brier for row, right in zip(nats, gold, strict=True)])
    p = softmax(-nats, axis=1)
    assert found == pytest.approx(brier_score_loss(gold, p, scale_by_half=False))


def test_calibration_error_by_hand() -> None:
    """Two bins: four items at .95 of which two are right (gap .45), one at .4 that is right (gap .6)."""
    beliefs = [calibration.Belief(0.95, hit, 0.0) for hit in (True, True, False, False)]
    beliefs.append(calibration.Belief(0.4, True, 0.0))
    assert calibration.calibration_error(beliefs)(np.arange(5)) == pytest.approx((4 * 0.45 + 0.6) / 5)
    (low, high) = calibration.reliability({"base": beliefs})["reliability"]["base"]
    assert (low["items"], low["accuracy"], high["items"], high["accuracy"]) == (1, 1.0, 4, 0.5)


def test_selective_accuracy_keeps_the_surest_half() -> None:
    beliefs = [calibration.Belief(c / 10, c > 5, 0.0) for c in range(10)]
    assert calibration.selective_accuracy(beliefs)(np.arange(10)) == 0.8  # of 9, 8, 7, 6 and 5
    assert calibration.selective_accuracy(beliefs)(np.array([3])) == 0.0
    assert calibration.selective_accuracy(beliefs)(np.arange(4, 9)) == pytest.approx(
        2.5 / 2.5
    )  # 8, 7, half of 6
    assert calibration.selective_accuracy(beliefs)(np.arange(2, 7)) == pytest.approx(
        1 / 2.5
    )  # 6, not 5 and half of 4


def test_a_calibrated_model_has_a_small_error_and_an_overconfident_one_a_large() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0.3, 1, 4000)
    right = rng.uniform(size=4000) < p
    honest = [calibration.Belief(float(c), bool(h), 0.0) for c, h in zip(p, right, strict=True)]
    boastful = [calibration.Belief(min(1.0, c.confidence + 0.3), c.hit, 0.0) for c in honest]
    rows = np.arange(4000)
    assert calibration.calibration_error(honest)(rows) < 0.03
    by_chance = calibration.error_by_chance(honest, 0)
    assert by_chance == pytest.approx(calibration.calibration_error(honest)(rows), abs=0.006)
    few = calibration.error_by_chance(honest[:40], 0)
    assert few > 6 * by_chance  # chance goes with the root of the number
    some, cells = p[:40], np.ceil(p[:40] * 10).astype(int)
    draws = [np.abs(np.bincount(cells, (rng.uniform(size=40) < some) - some)).sum() for _ in range(2_000)]
    assert few == pytest.approx(np.mean(draws) / 40, rel=0.03)
    assert calibration.calibration_error(boastful)(rows) > 0.2
