"""What a study knows of its suites before anything is trained, and what it refuses then."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medft.compose import settings
from medft.data.prepare import prepare
from medft.errors import ConfigError
from medft.overrides import readable
from medft.runs import RunDir
from medft.study import asking, planning
from medft.study.asking import Asked
from medft.study.cells import Trial, cells, trials
from medft.study.config import StudyConfig
from medft.study.expected import Expected

MINE = ("name=mine", "models=[mistral,gemma]", "datasets=[sample]", "seeds=[1,2]", "suites=[heldout,scope]")
SMALL = ("suite_settings=suite.heldout.limit=40 suite.scope.limit=8", "settings=dataset.split.test=0.2")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


def study(place: Path, *more: str) -> StudyConfig:
    own = (f"artifacts={place}/artifacts", f"processed={place}/processed")
    config: StudyConfig = settings("study", readable([*MINE, *SMALL, *own, *more]))
    return config


@pytest.fixture(scope="module")
def expected(place: Path) -> list[Expected]:
    found = []
    for cell in cells(config := study(place)):
        [(_, _, words), *_] = trials(config, [cell])
        built: Any = settings("train", words)
        data = prepare(built.dataset, seed=built.seed, processed=built.processed)
        rows = {name: list(data.records(name)) for name in ("test", "train")}
        known = Expected(
            cell, {}, {"split": "s"}, 6, 100, 1800.0, 10**9, 0, (), built.template, True, **rows
        )  # fmt: skip
        found.append(known)
    return found


@pytest.fixture(scope="module")
def asked(place: Path, expected: list[Expected]) -> list[Asked]:
    return asking.open_all(study(place), expected)


def test_every_suite_is_opened_for_every_cell_and_its_metrics_are_known(asked: Sequence[Asked]) -> None:
    assert [(each.suite, each.rehearsal.questions) for each in asked] == [("heldout", 40), ("scope", 8)] * 2
    heldout = {outcome.metric: outcome for outcome in asked[0].rehearsal.outcomes}
    assert heldout["bits per byte"].items == 40 and heldout["bits per byte"].of_items
    assert 20 <= heldout["bits per byte"].units < 40  # rows of one topic are one unit
    assert heldout["termination rate"].share and not heldout["perplexity"].of_items


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["primary.metric=bits_per_byte"], "Did you mean 'bits per byte'?"),
        (["primary.metric=ROUGE-L"], "only counts words shared with one"),
        (["primary.metric=perplexity"], "has no value for every item"),
        (["primary.suite=scope", "primary.metric=refusal rate"], "primary.part= one of: out of scope"),
    ],
)
def test_a_primary_outcome_that_no_suite_gives_is_refused(
    place: Path, asked: Sequence[Asked], words: list[str], said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        asking.primary(study(place, *words), asked)
    assert said in str(error.value)


def test_suites_that_cannot_be_asked_are_all_named(place: Path, expected: list[Expected]) -> None:
    config = study(place, "suites=[heldout,pubmedqa,nli]", "paths.pubmedqa=nowhere")
    with pytest.raises(ConfigError) as error:
        asking.open_all(config, expected)
    assert "suite 'pubmedqa' of mistral" in str(error.value) and "suite 'nli' of" in str(error.value)
    assert "suite.pubmedqa.dataset.path='nowhere'" in asking.asked_words(config)
    assert asking.idle(config) == ["suite.scope.limit=8"]


def test_a_missing_extra_is_told_before_any_cell_is_looked_at(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = study(place, "suites=[heldout,regression]")
    asking.asked_words(config)
    monkeypatch.setitem(sys.modules, "lm_eval", None)  # as if it were not installed
    with pytest.raises(ConfigError, match="suite 'regression' needs lm-evaluation-harness") as error:
        asking.asked_words(config)
    assert error.value.remedy == "pip install 'medft[lm-eval]'"


def test_items_that_could_show_nothing_are_refused_with_the_number_needed(
    place: Path, expected: list[Expected], asked: Sequence[Asked]
) -> None:
    config = study(place)
    few = [replace(outcome, units=19) for outcome in asking.primary(config, asked)]
    with pytest.raises(ConfigError) as error:
        planning.make(config, expected, [], asked, few)
    assert "19 independent items" in str(error.value)
    assert "for a verdict is 20" in str(error.value)


def test_the_plan_counts_what_is_to_be_done_and_says_when_the_budget_does_not_do(
    place: Path, expected: list[Expected], asked: Sequence[Asked]
) -> None:
    config = study(place, "hours=1")
    outcomes = asking.primary(config, asked)
    of = [each.cell for each in expected]
    found = [Trial(cell, seed, RunDir(place / "none")) for cell, seed, _ in trials(config, of)]
    found[0] = replace(found[0], state="finished")
    plan = planning.make(config, expected, found, asked, outcomes)
    assert (plan.runs, plan.there, plan.seconds, plan.disk) == (4, 1, 3 * 1800, 3 * 10**9)
    assert plan.power is not None and plan.power.tests == 3
    said = "\n".join(f"{label} {words}" for label, words in planning.lines(config, plan))
    assert "runs 4, of cells 2 x seeds 2; there already: 1" in said
    assert "notice that is more than hours=1" in said
    assert "asked questions to each run and base: heldout 40, scope 8" in said
    assert "standard deviations of the items' differences would be detected in 4 of 5 studies" in said
