"""What may change between the halves of a run."""

from pathlib import Path

import pytest
import yaml

from medft.compose import settings
from medft.errors import ConfigError, RunError
from medft.files import write_json, write_text
from medft.overrides import readable
from medft.paths import expanded
from medft.runs import RunDir
from medft.runs.migrate import FORMAT
from medft.training.resume import (
    demand_same,
    demand_same_data,
    demand_same_optimizer,
    demand_same_steps,
    expand,
)

BEFORE = {
    "model": {"name": "mistral"}, "dataset": {"name": "sample", "path": "a.csv"}, "lora": {"r": 16},
    "template": {"name": "medical_qa"}, "seed": 1, "scale": "auto",
    "trainer": {"epochs": 1.0, "max_length": 512, "per_device_batch_size": 2,
                "gradient_accumulation_steps": 4},
    "overrides": ["model=mistral", "trainer.max_steps=20"],
}  # fmt: skip


@pytest.fixture
def interrupted(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "runs" / "mistral-tiny-sample-medical_qa" / "20260101-000000")
    run.root.mkdir(parents=True)
    run.config.write_text(yaml.safe_dump(BEFORE))
    write_json(run.environment, {"format": FORMAT})
    run.mark("interrupted")
    return run


def test_a_resumed_run_brings_its_own_command_line(interrupted: RunDir) -> None:
    overrides, fixed = expand([f"resume={interrupted.root}", "logger.wandb=off"])
    assert overrides == ["model=mistral", "trainer.max_steps=20", "logger.wandb=off"]
    assert fixed["run_dir"] == fixed["resume"] == str(interrupted.root)


@pytest.mark.parametrize("name", ["Läufe", "it's (1)", "~/runs of mine"])
def test_runs_are_found_where_the_last_word_says(
    interrupted: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    artifacts = expanded(name)
    artifacts.mkdir()
    (tmp_path / "runs").rename(artifacts / "runs")
    words = readable(["resume=latest", "artifacts=elsewhere", f"artifacts={name}"])
    assert Path(str(expand(words)[1]["run_dir"])).samefile(artifacts / interrupted.root.relative_to(tmp_path))
    folder = f"{name}/{interrupted.root.relative_to(tmp_path)}"
    assert Path(str(expand(readable([f"resume={folder}"]))[1]["run_dir"])).is_dir()


def test_a_command_that_is_repeated_begins_its_run_once(interrupted: RunDir, tmp_path: Path) -> None:
    words = [*BEFORE["overrides"], f"run_dir={interrupted.root}"]
    new = [*BEFORE["overrides"], f"run_dir={tmp_path / 'new'}", "resume=auto"]
    assert expand(new) == (new[:-1], {"overrides": new[:-1]})
    write_text(interrupted.config, yaml.safe_dump(BEFORE | {"overrides": words}))
    again, fixed = expand(["resume=auto", *words])
    assert again == words and fixed["resume"] == str(interrupted.root)
    with pytest.raises(ConfigError, match="needs run_dir"):
        expand([*BEFORE["overrides"], "resume=auto"])


def test_a_slurm_job_in_a_further_turn_goes_on_with_its_run(
    interrupted: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    interrupted.mark("interrupted")
    words = [*BEFORE["overrides"], f"run_dir={interrupted.root}"]
    write_text(interrupted.config, yaml.safe_dump(BEFORE | {"overrides": words}))
    assert "resume" not in expand(words)[1]  # its first turn
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    again, fixed = expand(words)
    assert (again, fixed["resume"]) == (words, str(interrupted.root))
    assert "resume" not in expand([*words, "seed=2"])[1]  # another command of the same script
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    assert "resume" not in expand(words)[1]


def test_no_name_starts_no_new_run() -> None:
    with pytest.raises(RunError, match="the run name is empty"):
        expand(["model=gemma", "resume="])


def test_a_fresh_run_keeps_its_command_line() -> None:
    assert expand(["model=gemma", "resume=null"]) == (["model=gemma"], {"overrides": ["model=gemma"]})


def test_epochs_asked_for_win_over_the_steps_of_a_recipe() -> None:
    assert expand(["trainer.epochs=2"])[0] == ["trainer.epochs=2", "trainer.max_steps=null"]
    both = ["trainer.epochs=2", "trainer.max_steps=5"]
    assert expand(both)[0] == both
    config = settings("train", ["model=mistral", "scale=tiny", "trainer.epochs=2"])
    assert (config.trainer.epochs, config.trainer.max_steps) == (2, None)


@pytest.mark.parametrize(
    ("section", "value", "named"),
    [
        ("model", {"name": "gemma"}, "model.name: 'mistral' -> 'gemma'"),
        ("lora", {"r": 8}, "lora.r: 16 -> 8"),
        ("seed", 2, "seed: 1 -> 2"),
        ("template", {"name": "alpaca"}, "template.name"),
        ("trainer", {**BEFORE["trainer"], "max_length": 256}, "trainer.max_length: 512 -> 256"),  # type: ignore[dict-item]
        ("trainer", {**BEFORE["trainer"], "per_device_batch_size": 4}, "rows per step: 8 -> 16"),  # type: ignore[dict-item]
        ("trainer", {**BEFORE["trainer"], "learning_rate": 1e-6}, "trainer.learning_rate: None -> 1e-06"),  # type: ignore[dict-item]
        ("trainer", {**BEFORE["trainer"], "optimizer": "adamw_torch"}, "trainer.optimizer: None"),  # type: ignore[dict-item]
    ],
)
def test_changed_settings_are_refused_by_name(
    interrupted: RunDir, section: str, value: object, named: str
) -> None:
    with pytest.raises(RunError) as error:
        demand_same(interrupted, {**BEFORE, section: value})
    assert named in str(error.value)


def test_other_trainer_settings_and_places_may_change(interrupted: RunDir) -> None:
    dealt = {"per_device_batch_size": 1, "gradient_accumulation_steps": 8}  # the remedy for a full GPU
    now = {
        **BEFORE,
        "trainer": {**BEFORE["trainer"], "save_steps": 9, **dealt},
        "dataset": {"name": "sample", "path": "b.csv"},
    }
    assert demand_same(interrupted, now) is None


def test_another_number_of_processes_may_deal_out_the_rows_of_a_step(
    interrupted: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(interrupted.plan, {"devices": 1, "trainer": {"optimizer": "adamw_8bit"}})
    monkeypatch.setenv("WORLD_SIZE", "4")
    four = {**BEFORE, "trainer": {**BEFORE["trainer"], "gradient_accumulation_steps": 1}}
    assert demand_same(interrupted, four) is None
    with pytest.raises(RunError, match="rows per step: 8 -> 32"):
        demand_same(interrupted, BEFORE)
    assert demand_same_optimizer(interrupted, "adamw_8bit") is None
    with pytest.raises(RunError, match="states of adamw_8bit, but adamw_torch would be used now"):
        demand_same_optimizer(interrupted, "adamw_torch")


def test_a_setting_that_an_older_format_did_not_know_is_not_compared(interrupted: RunDir) -> None:
    now = {**BEFORE, "lora": {"r": 16, "use_new": True}}
    with pytest.raises(RunError, match="use_new: None -> True"):
        demand_same(interrupted, now)
    write_json(interrupted.environment, {})
    assert demand_same(interrupted, now) is None


def test_damaged_settings_are_refused_with_a_remedy(interrupted: RunDir) -> None:
    interrupted.config.write_text("a: [")
    with pytest.raises(RunError, match=r"config\.yaml is damaged[\s\S]*copy the complete run folder again"):
        expand([f"resume={interrupted.root}"])


def test_a_branch_may_be_pinned_to_the_commit_that_it_stood_for(interrupted: RunDir) -> None:
    member = {"repo": "o/n", "revision": "main", "path": None}
    mixture = {"name": "both", "revision": None, "sources": {"one": member}}
    interrupted.config.write_text(yaml.safe_dump({**BEFORE, "dataset": mixture}))
    now = {**mixture, "revision": "a" * 40, "sources": {"one": {**member, "revision": "a" * 40, "path": "x"}}}
    assert demand_same(interrupted, {**BEFORE, "dataset": now}) is None
    other = {**mixture, "sources": {"one": {**member, "repo": "o/m"}}}
    with pytest.raises(RunError, match=r"one\.repo"):
        demand_same(interrupted, {**BEFORE, "dataset": other})


def test_changed_rows_are_refused(interrupted: RunDir) -> None:
    write_json(interrupted.ledger, {"fingerprints": {"data": "a", "tokenizer": "t"}})
    demand_same_data(interrupted, {"data": "a", "tokenizer": "t"})
    with pytest.raises(RunError, match="data changed"):
        demand_same_data(interrupted, {"data": "b", "tokenizer": "t"})


def test_a_step_keeps_its_rows_on_another_number_of_gpus(interrupted: RunDir) -> None:
    write_json(interrupted.plan, {"schedule": {"rows_per_step": 8}})
    demand_same_steps(interrupted, 8)
    with pytest.raises(RunError, match="a step had 8 rows and would now have 16"):
        demand_same_steps(interrupted, 16)


def test_a_finished_or_running_run_is_not_resumed(interrupted: RunDir) -> None:
    interrupted.mark("running")
    with interrupted.held():
        with pytest.raises(RunError, match="still running"):
            expand([f"resume={interrupted.root}"])
        with pytest.raises(RunError, match="another process is using"), interrupted.held():
            pass
    assert interrupted.state() == "killed"  # its process id lives, but holds the folder no more
    expand([f"resume={interrupted.root}"])
    write_json(interrupted.summary, {})
    with pytest.raises(RunError, match="finished already"):
        expand([f"resume={interrupted.root}"])
