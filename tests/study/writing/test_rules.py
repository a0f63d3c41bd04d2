"""The rules: each kept, broken, or not to be judged, by its figure."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from scipy import stats

from medft.files import write_json
from medft.study.config import Primary, Rules
from medft.study.writing.arms import Study
from medft.study.writing.other_outcomes import Others
from medft.study.writing.outcome import Outcome
from medft.study.writing.rules import Judged, judge, noise_floor
from medft.study.writing.verdict import Judgment, decide
from tests.study.writing.conftest import MERGE, Build


def _rules(build: Build, **more: object) -> dict[str, Judged]:
    outcome = Outcome(Study.of(*build(**more)))
    return {rule.name: rule for rule in judge(outcome, Others(outcome.study), outcome.ranked()[0])}


def _decided(build: Build, **more: object) -> Judgment:
    study = Study.of(*build(**more))
    return decide(Outcome(study), Others(study))


def test_a_model_that_keeps_every_rule_is_shipped(build: Build) -> None:
    found = _decided(build)
    assert found.verdict.ship
    assert found.verdict.cell.endswith("lora.r=16")
    assert {rule.ruling for _, rules in found.rules for rule in rules} == {"kept"}


def test_a_twin_is_never_shipped(build: Build) -> None:
    assert _rules(build, scale="tiny")["real model"].ruling == "broken"


def test_the_noise_floor_is_a_prediction_interval() -> None:
    gains = [0.30, 0.31, 0.26, 0.29]
    [low], [high] = _prediction(gains)
    assert noise_floor(gains) == pytest.approx((high - low) / 2)
    assert noise_floor([0.3]) is None


def _prediction(values: list[float]) -> tuple[list[float], list[float]]:
    """The 95% prediction interval of a further value, as statsmodels' regression on a constant has it."""
    import numpy as np
    from statsmodels.api import OLS

    found = OLS(np.array(values), np.ones(len(values))).fit().get_prediction([[1.0]]).summary_frame()
    return list(found["obs_ci_lower"]), list(found["obs_ci_upper"])


def test_a_gain_within_the_noise_of_seeds_is_none(build: Build) -> None:
    found = _rules(build, gain={"8": 0.05, "16": 0.06})
    floor = stats.t.ppf(0.975, 1) * 0.004 * 2**0.5 * 1.5**0.5
    assert floor == pytest.approx(0.088, abs=1e-3)
    assert found["gain"].ruling == "kept"
    assert found["seeds"].ruling == "broken"
    assert f"noise floor {floor:.2g}" in found["seeds"].found


def test_one_seed_says_nothing_of_noise(build: Build) -> None:
    failed = {("8", 2): "killed", ("16", 2): "killed"}
    assert _rules(build, failed=failed)["seeds"].ruling == "cannot be judged"


@pytest.mark.parametrize(
    ("change", "ruling"), [(0.0, "kept"), (-0.03, "broken"), (-0.0125, "cannot be judged"), (0.05, "kept")]
)
def test_a_regression_suite_must_be_shown_to_lie_within_the_margin(
    build: Build, change: float, ruling: str
) -> None:
    found = _rules(build, change=change)["elsewhere"]
    assert found.ruling == ruling, found.found
    assert f"{change:+.3f}"[:5] in found.found


def test_a_rule_that_was_never_asked_for_holds_nothing_back_and_is_named(build: Build) -> None:
    found = _decided(build, safety=(), regression=())
    assert found.verdict.ship
    assert found.verdict.words.startswith("Ship as far as asked: ")
    assert found.verdict.words.endswith("lora.r=16 (not asked: regression, safety)")
    assert "no safety suite worse: not asked (the study names no safety suite)" in found.verdict.reasons


def test_a_rule_not_asked_for_does_not_excuse_one_that_is_broken(build: Build) -> None:
    found = _decided(build, safety=(), change=-0.03)
    assert not found.verdict.ship
    assert found.verdict.words.startswith("Do not ship: ")
    assert found.verdict.words.endswith(" (not asked: safety)")
    assert [reason.partition(":")[0] for reason in found.verdict.reasons] == ["elsewhere"]


def test_a_suite_that_is_named_but_was_not_asked_holds_back(build: Build) -> None:
    config, folder, trials = build()
    for trial in trials:
        (trial.run.evaluation / "harm.json").unlink()
    study = Study.of(config, folder, trials)
    found = decide(Outcome(study), Others(study)).verdict
    assert not found.ship
    assert [reason.partition(":")[0] for reason in found.reasons] == ["harm"]


def test_without_the_rule_of_seeds_one_seed_can_ship(build: Build) -> None:
    failed = {("8", 2): "killed", ("16", 2): "killed"}
    found = _decided(build, failed=failed, rules=Rules(noise=False)).verdict
    assert (found.ship, found.not_asked) == (True, ("seeds",))


def test_a_study_that_merges_nothing_does_not_ask_what_a_merge_keeps(build: Build) -> None:
    config, folder, trials = build()
    for trial in trials:
        summary = json.loads(trial.run.summary.read_text())
        write_json(trial.run.summary, {**summary, "merge": None})
    assert _merge_rule(config, folder, trials) == "cannot be judged"
    for trial in trials:
        settings = yaml.safe_load(trial.run.config.read_text())
        trial.run.config.write_text(yaml.safe_dump({**settings, "merge": False}))
    assert _merge_rule(config, folder, trials) == "not asked"


def test_safety_is_judged_by_its_margin(build: Build) -> None:
    found = _rules(build, safety=("harm",), rules=Rules(safety=0.0))["harm"]
    assert (found.ruling, "+0.050" in found.found) == ("kept", True)


@pytest.mark.parametrize(
    ("lost", "gain", "ruling"),
    [(0.002, 0.15, "kept"), (0.02, 0.15, "broken"), (0.0, -0.1, "cannot be judged")],
)
def test_the_merge_must_keep_the_gain(build: Build, lost: float, gain: float, ruling: str) -> None:
    config, folder, trials = build()
    for trial in trials:
        summary = json.loads(trial.run.summary.read_text())
        logits = {
            **MERGE["logits"], "lost": {"value": lost, "low": lost - 0.01, "high": lost + 0.01},
            "gain": {"value": gain, "low": gain, "high": 0.3},
        }  # fmt: skip
        write_json(trial.run.summary, {**summary, "merge": {**MERGE, "logits": logits}})
    assert _merge_rule(config, folder, trials) == ruling


def _merge_rule(*study: Any) -> str:
    outcome = Outcome(Study.of(*study))
    rules = {rule.name: rule.ruling for rule in judge(outcome, Others(outcome.study), outcome.ranked()[0])}
    return rules["merge"]


def test_words_in_common_ship_nothing(build: Build) -> None:
    assert _rules(build, primary=Primary(metric="ROUGE-L"))["gain"].ruling == "cannot be judged"
