"""Which runs a study takes for its own, and which it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from medft.prompt.config import TemplateConfig
from medft.runs import RunDir
from medft.study.cells import Cell
from medft.study.expected import Expected
from medft.study.reuse import finished, same
from tests.support.runs import make_run

SETTINGS: dict[str, Any] = {
    "lora": {"r": 8}, "trainer": {"minutes": None, "max_steps": 60}, "artifacts": "there", "merge": False,
}  # fmt: skip
PRINTS = {"data": "data of sample", "split": "split", "template": "template", "tokenizer": "of mistral"}


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = make_run(tmp_path / "runs" / "a" / "20261121-101500", seed=3, settings=SETTINGS)
    made.adapter.mkdir()
    return made


def expected(**more: Any) -> Expected:
    flat = {
        "model.name": "mistral", "model.license": "license of mistral", "dataset.name": "sample",
        "template.name": "medical_qa", "lora.r": 8, "trainer.minutes": None, "trainer.max_steps": 60,
        "artifacts": "here", "merge": False, "seed": 1,
    }  # fmt: skip
    cell = Cell("x", "mistral", "sample", "medical_qa", {}, ())
    template = TemplateConfig(name="x", tasks={})
    return Expected(cell, {**flat, **more}, PRINTS, 60, 1, None, None, 0, (), template, True, [], [])


def test_a_run_is_found_by_its_settings_seed_and_fingerprints(tmp_path: Path, run: RunDir) -> None:
    there = finished(tmp_path)
    assert same(expected(), 3, there) == run
    assert same(expected(), 4, there) is None
    assert same(expected(**{"lora.r": 16}), 3, there) is None
    assert same(expected(**{"trainer.max_steps": 61}), 3, there) is None
    assert same(replace(expected(), fingerprints={**PRINTS, "data": "other"}), 3, there) is None
    assert (
        same(replace(expected(), fingerprints={"data": PRINTS["data"]}), 3, there) == run
    )  # no tokenizer here


def test_merged_weights_are_wanted_where_the_study_judges_them(tmp_path: Path, run: RunDir) -> None:
    assert same(expected(merge=True), 3, finished(tmp_path)) is None
    run.summary.write_text(json.dumps({**json.loads(run.summary.read_text()), "merge": {"tensors": {}}}))
    assert same(expected(merge=True), 3, finished(tmp_path)) == run


def test_a_time_limit_may_have_come_to_other_steps(tmp_path: Path, run: RunDir) -> None:
    timed = {**yaml.safe_load(run.config.read_text()), "trainer": {"minutes": 5, "max_steps": 58}}
    run.config.write_text(yaml.safe_dump(timed))
    assert same(expected(**{"trainer.minutes": 5}), 3, finished(tmp_path)) == run


def test_an_unfinished_or_damaged_run_is_none(tmp_path: Path, run: RunDir) -> None:
    run.config.write_text("[")
    assert finished(tmp_path) == []
    run.summary.unlink()
    assert finished(tmp_path) == []
