"""medft on a Tesla T4, the card of free notebooks: train, stop, resume, merge, evaluate and chat through
Unsloth in float16, as whole commands, on the CPU (see t4_worker). It takes minutes:
``MEDFT_TEST_GPU=rehearsal pytest tests/engine/test_t4.py``."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft.models.tiny import Twin
from medft.report.series import read_curve
from medft.runs import RunDir
from medft.training.losslog import read_rows
from tests.engine.t4_worker import FIRST_SCALE, STEPS
from tests.support import wandb_file
from tests.support.process import ROOT
from tests.support.training import compared
from tests.support.unsloth_compiled import FULL_SIZES, SHARED_MEMORY

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        os.environ.get("MEDFT_TEST_GPU") != "rehearsal",
        reason="A T4 WAS NOT REHEARSED: MEDFT_TEST_GPU=rehearsal does, in minutes",
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, twins: Callable[[Any], Twin]) -> Path:
    """Where the commands ran."""
    folder = tmp_path_factory.mktemp("t4")
    shutil.copytree(twins("mistral").root, folder / "artifacts" / "tiny" / twins("mistral").root.name)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    environment |= {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    environment["TRITON_CACHE_DIR"] = str(folder / "cache" / "triton")
    environment.pop("UNSLOTH_COMPILE_LOCATION", None)
    command = [sys.executable, "-m", "tests.engine.t4_worker", str(folder)]
    with (folder / "log.txt").open("w") as log:
        code = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log).returncode
    assert code == 0, (folder / "log.txt").read_text()[-3000:]
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> RunDir:
    return RunDir(folder / "whole")


def norms(run: RunDir) -> list[float]:
    """Norm of the gradient of each step."""
    return [float(row["grad_norm"]) for row in read_rows(run.loss_csv) if row["split"] == "train"]


def test_every_command_ends_as_it_should(folder: Path) -> None:
    codes = json.loads((folder / "found.json").read_text())
    said = (folder / "log.txt").read_text()[-3000:]
    assert codes == {"train": 0, "stopped": 130, "resumed": 0, "evaluate": 0, "chat": 0}, said
    assert json.loads((folder / "answers.jsonl").read_text().splitlines()[0])


def test_it_is_float16_with_unsloth(whole: RunDir) -> None:
    summary, plan = json.loads(whole.summary.read_text()), json.loads(whole.plan.read_text())
    assert (summary["engine"], summary["steps"]) == ("unsloth", STEPS)
    assert plan["resolved"]["dtype"] == "float16" and plan["resolved"]["load_in_4bit"]
    assert "no bfloat16 on this GPU" in plan["resolved"]["reasons"]["dtype"]
    assert summary["merge"], summary.get("merge_failed")


def test_skipped_steps_are_neither_hidden_nor_a_diverged_run(whole: RunDir) -> None:
    found = norms(whole)
    assert not math.isfinite(found[0]) and all(map(math.isfinite, found[-3:])), found
    losses = [float(row["loss"]) for row in read_rows(whole.loss_csv)]
    assert all(map(math.isfinite, losses)) and losses[-1] < losses[0]
    assert read_curve(whole.loss_csv).last("train", "grad_norm") == pytest.approx(found[-1])
    assert whole.loss_png.read_bytes().startswith(b"\x89PNG")


def test_wandb_has_the_steps_of_loss_csv(whole: RunDir) -> None:
    (file,) = whole.root.glob("wandb/**/*.wandb")
    logged = [row for row in wandb_file.rows(file) if "train/loss" in row]
    written = [row for row in read_rows(whole.loss_csv) if row["split"] == "train"]
    assert [row["train/loss"] for row in logged] == [float(row["loss"]) for row in written]
    assert [float(row["train/grad_norm"]) for row in logged] == pytest.approx(norms(whole), nan_ok=True)


def test_a_resumed_run_keeps_the_scale_and_comes_out_the_same(folder: Path, whole: RunDir) -> None:
    import torch

    cut = RunDir(folder / "cut")
    assert compared(cut) == compared(whole)
    states = [
        torch.load(run.checkpoints / f"checkpoint-{STEPS}" / "scaler.pt", weights_only=True)
        for run in (whole, cut)
    ]
    assert states[0] == states[1] and states[0]["scale"] < FIRST_SCALE


@pytest.mark.parametrize("card", SHARED_MEMORY)
def test_unsloths_kernels_compile_and_fit_the_card(folder: Path, card: int) -> None:
    found = [each for each in json.loads((folder / "compiled.json").read_text()) if each["card"] == card]
    assert {each["of"] for each in found} == set(FULL_SIZES)
    assert len({each["kernel"] for each in found}) >= 9, sorted({each["kernel"] for each in found})
    assert all(each["binary"] > 0 and each["threads"] <= 1024 for each in found)
    assert max(each["shared"] for each in found) <= SHARED_MEMORY[card]
