"""What is missing is unknown, what is damaged is named, and what cannot be done without is demanded."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from medft.errors import RunError
from medft.files import write_json
from medft.models.registry import ModelConfig
from medft.runs import RunDir
from medft.runs.migrate import FORMAT
from medft.runs.record import Identity, RunRecord
from medft.runs.values import flatten

GROUP = "mistral-tiny-sample-medical_qa"


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A folder in which nothing is written yet."""
    run = RunDir(tmp_path / GROUP / "20261120-101500")
    run.root.mkdir(parents=True)
    return run


def settle(run: RunDir, settings: object) -> RunRecord:
    run.config.write_text(yaml.safe_dump(settings))
    return RunRecord(run)


def test_an_empty_folder_says_nothing_and_is_no_error(run: RunDir) -> None:
    record = RunRecord(run)
    parts = (record.settings, record.environment, record.plan, record.ledger, record.summary, record.suites)
    assert not any(parts)
    assert record.identity == Identity(GROUP, "", "", tiny=True)
    assert (record.fingerprints, record.gpus) == ({}, [])
    assert record.format == 1


def test_the_identity_is_that_of_the_settings_then_of_the_summary(run: RunDir) -> None:
    write_json(run.summary, {"model": "gemma", "dataset": "medquad", "template": "alpaca", "scale": "full"})
    settings = {"model": {"name": "mistral"}, "dataset": {"path": "x"}, "template": "medical_qa"}
    assert settle(run, settings).identity.title == "mistral (tiny) × medquad × medical_qa"
    assert settle(run, {}).identity.title == "gemma (tiny) × medquad × alpaca"  # the folder is named tiny
    elsewhere = RunDir(run.root.rename(run.root.parents[1] / "stamp"))
    assert not RunRecord(elsewhere).identity.tiny


def test_facts_that_several_rooms_ask_for(run: RunDir) -> None:
    write_json(run.ledger, {"fingerprints": {"data": "a", "split": "b", "train": "c"}})
    write_json(run.summary, {"fingerprints": {"data": "d", "tokenizer": None}})
    machine = {"gpus": [{"name": "Tesla T4"}, {"name": "Tesla T4"}, {}]}
    write_json(run.environment, {"machine": machine, "resolved": {"scale": "full"}})
    write_json(run.evaluation / "nli.json", {"suite": "nli"})
    record = RunRecord(run)
    assert record.fingerprints == {"data": "d", "split": "b"}
    assert record.gpus == ["Tesla T4", "Tesla T4"]
    assert record.scale == "full"
    assert record.suites == {"nli": {"suite": "nli"}}


@pytest.mark.parametrize("part", ["settings", "environment", "plan", "ledger", "summary"])
@pytest.mark.parametrize("text", ["{", "[1]", "\xff"])
def test_a_damaged_file_is_named_with_a_remedy(run: RunDir, part: str, text: str) -> None:
    file: Path = getattr(run, "config" if part == "settings" else part)
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match=rf"{file.name} is damaged[\s\S]*copy the complete run folder again"):
        getattr(RunRecord(run), part)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "- " * 100_000,
        '{"a":' * 100_000,
        "a: &a [1]\nb: *a",
        "x: [" + "[" * 200 + "]" * 200 + "]",
    ],
)
def test_nesting_and_references_bring_down_nobody(run: RunDir, text: str) -> None:
    """libyaml itself would fall over the first."""
    for file, part in ((run.config, "settings"), (run.summary, "summary"), (run.environment, "environment")):
        file.write_text(text)
        with pytest.raises(RunError, match=rf"{file.name} is damaged"):
            getattr(RunRecord(run), part)
        file.unlink()


def test_settings_are_built_or_the_file_is_named(run: RunDir) -> None:
    settle(run, {"model": {"name": "../x", "base": "a/b"}})
    with pytest.raises(RunError, match=r"config\.yaml is damaged: 'model\.name' must be a name") as error:
        RunRecord(run).built(ModelConfig, "model")
    assert error.value.where == str(run.config)


def test_a_demand_names_the_file_and_the_key(run: RunDir) -> None:
    write_json(run.plan, {"schedule": {"rows_per_step": 8, "steps": "many"}})
    record = RunRecord(run)
    assert record.demand(int, "plan", "schedule", "rows_per_step") == 8
    for keys in (("schedule", "steps"), ("schedule", "steps", "x"), ("rows",)):
        with pytest.raises(RunError, match=rf"plan\.json lacks '{'.'.join(keys)}'"):
            record.demand(int, "plan", *keys)
    with pytest.raises(RunError, match=r"config\.yaml is missing"):
        record.demand(dict, "settings")
    with pytest.raises(RunError, match=r"environment\.json is missing") as error:
        assert record.scale
    assert (error.value.where, error.value.remedy[:8]) == (str(run.environment), "copy the")


@pytest.mark.parametrize("part", ["settings", "environment", "ledger", "summary"])
def test_a_newer_format_is_refused_whatever_is_asked(run: RunDir, part: str) -> None:
    write_json(run.environment, {"format": FORMAT + 1})
    run.config.write_text("{}")
    with pytest.raises(RunError, match=f"format {FORMAT + 1}[\\s\\S]*update medft"):
        getattr(RunRecord(run), part)


def test_flatten_names_values_by_dotted_key() -> None:
    nested = {"lora": {"r": 16, "modules": ["q", "k"], "none": {}}, "seed": None}
    assert flatten(nested) == {"lora.r": 16, "lora.modules": ["q", "k"], "seed": None}
