"""A finished run, run again: what agrees, what does not, and what that means for the exit code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from medft.cli import main
from medft.files import read_json, write_json
from medft.models.tiny import Twin
from medft.report.replay import Agreement, agree, as_table, compare_replay
from medft.runs import RunDir
from tests.support.process import medft
from tests.support.runs import make_run

ENVIRONMENT = {
    "python": "3.11.7",
    "packages": {"torch": "2.10.0", "trl": "1.14.2"},
    "commit": "0123456789abcdef",
    "machine": {"gpus": [{"name": "Tesla T4"}], "cpu_cores": 2},
}


def made(root: Path, environment: dict[str, Any] = ENVIRONMENT, **settings: Any) -> RunDir:
    """Invented runs draw their losses by folder name and seed; the same end of the name gives the same."""
    run = make_run(root, **settings)
    run.environment.write_text(json.dumps(environment))
    run.adapter.mkdir()
    save_file({"lora_B": np.linspace(0, 1, 12, dtype=np.float32)}, run.adapter / "adapter_model.safetensors")
    return run


def disagreeing(first: RunDir, second: RunDir, tolerance: float = 1e-3) -> dict[str, Agreement]:
    return {f.what: f for f in compare_replay(first, second, 10, tolerance) if not f.agrees}


def test_the_same_run_agrees_bit_for_bit(tmp_path: Path) -> None:
    first = made(tmp_path / "first")
    second = RunDir(tmp_path / "second")
    shutil.copytree(first.root, second.root)
    findings = compare_replay(first, second, 10, 0.0)
    assert agree(findings)
    assert all(finding.agrees for finding in findings)
    assert any("bit for bit" in cell for row in as_table(findings).rows for cell in row)


def test_other_data_other_versions_other_losses_are_named(tmp_path: Path) -> None:
    first = made(tmp_path / "a", noise=0.0)
    other = {**ENVIRONMENT, "packages": {"torch": "2.11.0", "trl": "1.14.2"}}
    second = made(tmp_path / "b", other, noise=0.0, floor=2.01, dataset="medquad")
    found = disagreeing(first, second)
    final = {"validation loss", "bits per byte"}
    assert found.keys() == {"data fingerprint", "torch", "first 10 losses", *final}
    assert not agree(list(found.values()))
    assert "within 2.9e-03" in found["first 10 losses"].now or "within" in found["first 10 losses"].now


def test_a_tolerance_forgives_losses_but_not_missing_lines(tmp_path: Path) -> None:
    first = made(tmp_path / "a", noise=0.0)
    assert not disagreeing(first, made(tmp_path / "b", noise=0.0, floor=2.01), tolerance=0.01)
    short = disagreeing(first, made(tmp_path / "c", noise=0.0, steps=4), tolerance=1.0)
    assert short.keys() == {"lines of loss.csv"}


def test_what_comes_after_the_first_lines_is_compared_too(tmp_path: Path) -> None:
    first = made(tmp_path / "first")
    second = RunDir(tmp_path / "second")
    shutil.copytree(first.root, second.root)
    summary = read_json(second.summary)
    write_json(second.summary, {**summary, "validation_loss": summary["validation_loss"] * 1.01})
    weights = np.linspace(0, 1, 12, dtype=np.float32)
    weights[3] += 0.2
    save_file({"lora_B": weights}, second.adapter / "adapter_model.safetensors")
    found = disagreeing(first, second)
    assert found.keys() == {"validation loss", "adapter"}
    apart = 0.2 / float(np.linalg.norm(np.linspace(0, 1, 12)))
    assert found["adapter"].now == f"within {apart:.1e}"
    assert agree(compare_replay(first, second, 10, 0.02, 0.2))
    (second.adapter / "adapter_model.safetensors").unlink()
    assert disagreeing(first, second, 0.02)["adapter"].now == "missing"


def test_commit_and_hardware_are_shown_but_do_not_count(tmp_path: Path) -> None:
    first = made(tmp_path / "a", noise=0.0)
    elsewhere = {**ENVIRONMENT, "commit": "f", "machine": {"gpus": [], "cpu_cores": 4}}
    findings = compare_replay(first, made(tmp_path / "b", elsewhere, noise=0.0), 10, 0.0)
    assert [f.what for f in findings if not f.agrees] == ["commit", "hardware"]
    assert agree(findings)


def test_an_unfinished_run_cannot_be_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = made(tmp_path / "a", finished=False)
    assert main(["replay", f"run={run.root}"]) == 1
    assert f"medft train resume={run.root}" in capsys.readouterr().err


def test_replay_trains_again_from_the_folder_alone(tmp_path: Path, twins: Callable[[str], Twin]) -> None:
    shutil.copytree(twins("mistral").root, tmp_path / "artifacts" / "tiny" / twins("mistral").root.name)
    first = RunDir(tmp_path / "first")
    settings = ("trainer.max_steps=2", "trainer.eval_steps=2", "merge=false", "logger.wandb=off")
    assert (
        medft("train", "scale=tiny", "seed=7", *settings, f"run_dir={first.root}", cwd=tmp_path).returncode
        == 0
    )
    again = medft("replay", f"run={first.root}", f"run_dir={tmp_path}/second", cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "the runs agree" in again.stdout
    assert "bit for bit" in again.stdout
    second = RunDir(tmp_path / "second")
    assert read_json(second.root / "replay.json")["of"] == str(first.root)
    assert read_json(second.summary)["seed"] == 7
