"""Verdicts of a report: corrected together, with words, also for files of an older medft."""

from __future__ import annotations

from typing import Any

import pytest
from statsmodels.stats.multitest import multipletests

from medft.report.verdicts import PAIR, findings


def _metric(name: str, p: float | None, units: int = 100, **more: Any) -> dict[str, Any]:
    difference = {"value": 0.1, "low": 0.02, "high": 0.18, "p": p, "units": units, "needed": 50, **more}
    differences = {PAIR: difference}
    return {"name": name, "group": "", "higher_is_better": True, "systems": {}, "differences": differences}


def _suite(name: str, *metrics: dict[str, Any], weights: str = "adapter") -> dict[str, Any]:
    return {"suite": name, "weights": weights, "figures": list(metrics)}


def test_all_metrics_of_a_report_are_one_family() -> None:
    p_values = [0.004, 0.03, 0.02, 0.6]
    a = _suite("a", _metric("x", p_values[0]), _metric("y", p_values[1]))
    b = _suite("b", _metric("x", p_values[2]), _metric("y", p_values[3]))
    found = findings([a, b])
    expected = multipletests(p_values, method="holm")[1]
    assert [f.corrected for f in found.values()] == pytest.approx(list(expected))
    assert [f.verdict for f in found.values()] == ["better", *["no significant change"] * 3]
    assert findings([a])["a", "", "y", PAIR].verdict == "better"  # a smaller report asks less
    merged = _suite("b", _metric("x", 0.02), weights="merged")
    assert findings([a, merged])["b", "", "x", PAIR].corrected == 0.02


def test_too_few_items_are_not_tested_and_do_not_count() -> None:
    found = findings([_suite("a", _metric("x", 0.03), *[_metric(f"few {i}", 0.0, 19) for i in range(9)])])
    assert found["a", "", "x", PAIR].verdict == "better"
    assert found["a", "", "few 0", PAIR].verdict == "too few items"
    assert findings([_suite("a", _metric("x", 0.0, 20))])["a", "", "x", PAIR].verdict == "better"


def test_words_have_verdict_difference_interval_and_both_p_values() -> None:
    found = findings([_suite("a", _metric("x", 0.03), _metric("y", 0.04))])["a", "", "x", PAIR]
    assert found.words == (
        "no significant change (+0.100 [+0.020, +0.180], p = 0.030, = 0.060 by Holm, 100 independent items)"
    )
    lower = {**_metric("x", 0.001, low=None), "higher_is_better": False}
    only = findings([_suite("a", lower)])["a", "", "x", PAIR]
    assert only.words == "worse (+0.100 [not estimable], p = 0.001, 100 independent items)"


def test_a_file_of_an_older_medft_keeps_the_verdict_it_wrote() -> None:
    old = {"value": -0.2, "low": -0.3, "high": -0.1, "p": None, "verdict": "better", "words": "..."}
    metric = {"name": "loss", "group": "", "higher_is_better": False, "differences": {PAIR: old}}
    for n, verdict in ((200, "better"), (2, "too few items")):
        suite = _suite("heldout", {**metric, "systems": {"base": {"value": 1.0, "n": n}}})
        found = findings([suite])["heldout", "", "loss", PAIR]
        assert (found.verdict, found.corrected, found.units) == (verdict, None, n)
