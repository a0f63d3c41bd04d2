"""The primary outcome: values, differences, what they come to, and what may not decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from medft.study.config import Primary
from medft.study.writing.arms import Study
from medft.study.writing.cell_pairs import UNKNOWN_SPREAD, WITHIN, pairs
from medft.study.writing.estimates import estimate
from medft.study.writing.outcome import Outcome
from medft.study.writing.primary import main_table, section, sentence
from tests.study.writing.conftest import BASE, BYTES, GAIN, ITEMS, SEED_SHIFT, Build


def _outcome(build: Build, **more: object) -> Outcome:
    return Outcome(Study.of(*build(**more)))


def test_a_cell_is_the_mean_of_its_seeds_with_both_kinds_of_spread(build: Build) -> None:
    outcome = _outcome(build)
    best = outcome.ranked()[0]
    assert best.name == "r=16"
    noise = np.random.default_rng(3).normal(0, 0.02, ITEMS)
    items = BASE - GAIN["16"] + noise  # the shifts of the two seeds cancel
    found = estimate(best.tuned, outcome.study.primary)
    assert found is not None
    assert found.value == pytest.approx(np.average(items, weights=BYTES))
    assert found.sd == pytest.approx(np.std([0.004, -0.004], ddof=1))
    assert (found.seeds, found.items) == (2, ITEMS)
    # a ratio's linearized error (Cochran 6.4) and Student's t: the interval differs by its skewness alone
    residuals = np.array(BYTES) * (items - found.value) / np.mean(BYTES)
    half = stats.t.ppf(0.975, ITEMS - 1) * np.std(residuals, ddof=1) / ITEMS**0.5
    assert found.low is not None and found.high is not None
    assert found.high - found.low == pytest.approx(2 * half, rel=0.05)


def test_all_comparisons_of_the_outcome_are_corrected_together(build: Build) -> None:
    outcome = _outcome(build)
    assert len(outcome.findings) == 3, "two with their base, and one between the cells"
    noise = np.average(np.random.default_rng(3).normal(0, 0.02, ITEMS), weights=BYTES)
    for arm, found in outcome.with_bases():
        gain = GAIN[arm.cell.varied["lora.r"]]
        assert found.value == pytest.approx(noise - gain)
        assert (found.corrected or 0) >= (found.p or 0)
        assert found.verdict == "better"
    assert [found.key[3] for found in outcome.between_cells()] == ["r=16 - r=8"]
    assert "Of 2 cells, 2 came out better than the base and 0 worse" in sentence(outcome)


def test_a_missing_cell_is_a_row_with_its_reason(build: Build) -> None:
    outcome = _outcome(build, failed={("8", 1): "out of memory", ("8", 2): "a bad node"})
    shown = main_table(outcome)
    assert [row[0] for row in shown.rows] == ["r=16", "r=8"]
    assert "seed 1: out of memory; seed 2: a bad node" in " ".join(shown.rows[1])


def test_words_in_common_decide_nothing(build: Build) -> None:
    outcome = _outcome(build, primary=Primary(metric="ROUGE-L"))
    assert not outcome.decides
    said = " ".join(getattr(block, "text", "") for block in section(outcome).blocks)
    assert "agree with clinicians less" in said


def test_cells_of_other_items_are_not_ranked_by_value(build: Build) -> None:
    config, folder, trials = build()
    for seed in (0, 1):  # the first cell was asked other items, on which every value is lower
        path = trials[seed].run.evaluation / "heldout.items.csv"
        text = path.read_text().replace(":q", ":other")
        path.write_text(text)
    outcome = Outcome(Study.of(config, folder, trials))
    assert not outcome.one_scale
    assert outcome.apart == 1
    assert outcome.between_cells() == []
    assert "The largest gain, r=16" in sentence(outcome)


def test_two_cells_differ_where_items_and_seeds_both_tell_them_apart(build: Build) -> None:
    [pair] = pairs(_outcome(build))
    seeds = [[GAIN[rank] + shift for shift in SEED_SHIFT.values()] for rank in ("8", "16")]
    assert pair.p == pytest.approx(stats.ttest_ind(*seeds, equal_var=False).pvalue)
    assert (pair.found.verdict, pair.verdict) == ("better", "better")


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({"gain": {"8": 0.2, "16": 0.201}}, WITHIN),
        ({"failed": {("8", 2): "out of memory"}}, UNKNOWN_SPREAD),
    ],
)
def test_what_other_seeds_might_turn_is_no_difference(
    build: Build, more: dict[str, Any], verdict: str
) -> None:
    outcome = _outcome(build, **more)
    [pair] = pairs(outcome)
    assert pair.found.verdict == "better", "on these items alone"
    assert pair.verdict == verdict
    assert "0 of 1 comparison show" in sentence(outcome)
