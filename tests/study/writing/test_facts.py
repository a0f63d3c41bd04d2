"""What follows from the runs: the flow of rows, subgroups, limitations, what got worse, conditions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from medft.files import write_json
from medft.report.blocks import Figure, Table, Text
from medft.study.writing import conditions, curves, methods, other_outcomes, rows, subgroups
from medft.study.writing.arms import Study
from medft.study.writing.limits import limitations
from medft.study.writing.other_outcomes import Others
from medft.study.writing.outcome import Outcome
from tests.study.writing.conftest import BYTES, GAIN, ITEMS, SEED_SHIFT, Build


def test_the_flow_accounts_for_every_row(build: Build) -> None:
    found = rows.section(Study.of(*build()))
    figure = next(block for block in found.blocks if isinstance(block, Figure))
    for words in (
        "Read: 900 rows",
        "Left out: 180",
        "wards: blank answer 100",
        "train: 600 rows",
        "too long: 2",
    ):
        assert words in figure.svg
    table = next(block for block in found.blocks if isinstance(block, Table))
    numbers = {(row[0], row[1]): int(row[2].replace(",", "")) for row in table.rows}
    for source in ("wards", "clinic"):
        out = sum(count for (name, what), count in numbers.items() if name == source and what != "read")
        assert out == numbers[source, "read"]


def test_a_subgroup_is_the_difference_on_its_own_items(build: Build) -> None:
    study = Study.of(*build())
    found = subgroups.section(study, study.arms[0])
    assert found is not None
    table = next(block for block in found.blocks if isinstance(block, Table))
    shown = {(row[0], row[1]): row[2] for row in table.rows}
    noise = np.random.default_rng(3).normal(0, 0.02, ITEMS)
    part = [number for number in range(ITEMS) if number % 3 == 0]
    gain = np.average((noise - GAIN["8"])[part], weights=np.array(BYTES)[part]) - np.mean(
        [*SEED_SHIFT.values()]
    )
    assert shown["r=8", "source clinic"].startswith(f"{gain:+.3f} [")
    assert {name for _, name in shown} >= {"source wards", "short reference", "long reference"}
    assert not any("qa" in name for _, name in shown), "one task is no subgroup"


def test_limitations_follow_from_the_facts(build: Build) -> None:
    said = " ".join(limitations(Outcome(Study.of(*build(failed={("8", 2): "out of memory"}, scale="tiny")))))
    wanted = ("out of memory", "Only one seed", "Tiny twins", "No person has rated", "best of several cells")
    for words in (*wanted, "forbids commercial use"):
        assert words in said, words
    assert "No safety suite" not in said


def test_what_got_worse_is_told_whatever_its_topic(build: Build) -> None:
    found = Others(Study.of(*build(change=-0.1)))
    worse = {(each.key[0], each.key[2]) for each in found.worse}
    assert worse == {("elsewhere", "acc"), ("heldout", "longest run of a training answer, words")}
    lost = next(each for each in found.findings("regression") if each.key[2] == "acc")
    # McNemar's mid-p of 40 answers lost and none gained
    assert lost.p == pytest.approx(2 * stats.binom.cdf(0, 40, 0.5) - stats.binom.pmf(0, 40, 0.5))
    assert lost.value == pytest.approx(-0.1)
    assert {section.heading for section in other_outcomes.sections(found)} == {
        "What got worse", "Secondary outcomes", "Regression suites", "Safety, refusals and over-refusal",
        "Memorization",
    }  # fmt: skip


def test_conditions_of_a_suite_are_shown_with_their_tests(build: Build) -> None:
    config, folder, trials = build()
    study = Study.of(config, folder, trials)
    assert conditions.section(study.arms[0]) is None
    interval = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 60, "units": 60}
    difference = {"value": 0.1, "low": 0.02, "high": 0.18, "p": 0.01, "test": "t", "units": 60, "needed": 50}
    figure = {
        "name": "accuracy, generated", "group": "tuned by context", "higher_is_better": True,
        "systems": {"gold context": interval, "no context": interval},
        "differences": {"no context - gold context": difference},
    }  # fmt: skip
    suite = {
        "suite": "rag",
        "figures": [figure],
        "extras": {"retrieval": {"recall@1": 0.75, "questions": 60}},
    }
    write_json(trials[0].run.evaluation / "rag.json", suite)
    found = conditions.section(Study.of(config, folder, trials).arms[0])
    assert found is not None
    table = next(block for block in found.blocks if isinstance(block, Table))
    assert "gold context" in table.columns and "better, p = 0.010" in table.rows[0]
    assert any(isinstance(block, Text) and "recall@1 0.75" in block.text for block in found.blocks)


def test_methods_name_what_one_needs_to_repeat_it(build: Build) -> None:
    config, folder, trials = build()
    power = {"items": 60, "units": 60, "tests": 3, "smallest": 0.0123, "basis": "twins", "seeds": 2}
    write_json(folder.plan, {"power": power})
    found = methods.section(Study.of(config, folder, trials))
    text = json.dumps([str(block) for block in found.blocks])
    wanted = (
        "owner/mistral-7b",
        "c0ffee",
        "CC-BY-NC-4.0",
        "You are a nurse.",
        "torch 2.10.0",
        "1e48c4d68bbe",
    )
    for words in (*wanted, "lora.r (8, 16)", "a difference of 0.012 (twins)", "2 processor cores"):
        assert words in text, words


def test_a_damaged_run_is_a_hole_and_no_end(build: Build) -> None:
    config, folder, trials = build()
    trials[0].run.summary.write_text('{"validation_loss": 1.')
    trials[2].run.loss_csv.write_text("nothing")
    study = Study.of(config, folder, trials)
    assert [(label, what) for label, what, _ in study.holes()] == [("r=8", "seed 1")]
    assert "summary.json is damaged" in next(study.holes())[2]
    assert len(study.records) == 3
    found = curves.section(study, folder.root)
    assert found is not None
    assert "r16/1 is not drawn" in str(found.blocks[0])
