"""Every family at its full size on this machine's cards, by the commands that a user types.

Weights are random where no hub is: memory, speed, resumption and merging do not depend on them. Most of the
time goes into writing, merging and checking four models of 7 to 8 billion weights. Where a card is lent for
minutes at a time, take a part a call, in this order: ``make test-gpu ARGS="-k 'doctor or mistral'"``,
``-k killed``, ``-k speed``, then ``-k llama3_1``, ``-k gemma``, ``-k llama2``; the table goes on growing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from medft.machine import probe
from medft.runs import RunDir
from medft.training.losslog import read_rows
from tests.gpu.conftest import FAMILIES, FOLDER, REHEARSAL, base_folder, base_of
from tests.gpu.measured import Measured
from tests.support.process import MEDFT, ROOT, medft, start
from tests.support.training import until_step

pytestmark = pytest.mark.timeout(3600)

STEPS, SAVED = 20, 5
TRAINING = ("weights", "adapter", "gradients", "optimizer", "activations", "working")
"""Parts of the planned peak of a step."""
WITHIN = 0.10  # of the planned peak
SAME = 2e-3  # relative, of losses of the same steps: sums of a GPU have no fixed order


def _words(family: str, rows: Path, *more: str) -> list[str]:
    base = base_of(family)
    return [
        f"model={family}", f"model.base={base}", f"model.base_16bit={base}", "scale=full",
        "engine.load_in_4bit=true", "dataset=jsonl", f"dataset.path={rows}", "trainer=fast",
        f"trainer.max_steps={STEPS}", f"trainer.save_steps={SAVED}", f"trainer.eval_steps={STEPS}",
        "trainer.validation_rows=16", "trainer.test_rows=16", "logger.wandb=off", *more,
    ]  # fmt: skip


def _run(name: str) -> RunDir:
    return RunDir(FOLDER.absolute() / "artifacts" / "runs" / "gpu" / name)


def _medft(*words: str) -> str:
    done = medft(*words, cwd=FOLDER, all_cores=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def _losses(run: RunDir) -> dict[int, float]:
    return {
        int(row["step"]): float(row["loss"]) for row in read_rows(run.loss_csv) if row["split"] == "train"
    }


def test_doctor_finds_nothing_that_hinders_training(measured: Measured, rows: Path) -> None:
    began = time.monotonic()
    done = medft("doctor", cwd=FOLDER)
    assert done.returncode == 0 or REHEARSAL, done.stdout
    measured.add("medft doctor", seconds=time.monotonic() - began)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_trains_merges_and_answers(family: str, measured: Measured, rows: Path) -> None:
    run = _run(family)
    try:
        _medft("train", *_words(family, rows, f"run_dir={run.root}"))
        summary: dict[str, Any] = json.loads(run.summary.read_text())
        memory: dict[str, Any] = json.loads(run.plan.read_text())["memory"]
        planned, peak = sum(memory[part] for part in TRAINING), summary["peak_memory_bytes"]
        measured.add(
            f"{family}: {summary['steps']} steps with {summary['engine']}",
            tokens_per_second=summary["tokens_per_second"], mfu=summary["mfu"] or "unknown",
            peak_gb=peak / 1e9, planned_gb=planned / 1e9, parts=json.dumps(summary["stage_seconds"]),
            merge="checked" if summary["merge"] else summary.get("merge_failed", "missing"),
        )  # fmt: skip
        began = time.monotonic()
        _medft("evaluate", f"run={run.root}", "suite=heldout", "suite.heldout.limit=32",
               "suite.heldout.max_new_tokens=64")  # fmt: skip
        (result,) = run.evaluation.glob("heldout.json")
        measured.add(f"{family}: base and tuned asked", seconds=time.monotonic() - began)
    finally:
        if family != FAMILIES[0]:
            shutil.rmtree(base_folder(family), ignore_errors=True)  # 13 to 17 GB
        shutil.rmtree(run.merged, ignore_errors=True)
    # Judged last, so that the table has what was seen.
    assert summary["steps"] == STEPS and summary["merge"], summary.get("merge_failed")
    assert json.loads(result.read_text())["asked"] >= 1
    if not REHEARSAL:
        assert summary["engine"] == "unsloth"
        assert abs(peak / planned - 1) <= WITHIN, f"{peak / 1e9:.2f} GB, planned {planned / 1e9:.2f}"


def test_a_killed_run_goes_on_to_the_same_losses(measured: Measured, rows: Path) -> None:
    whole, killed = _run(FAMILIES[0]), _run("killed")
    words = _words(FAMILIES[0], rows, f"run_dir={killed.root}", "merge=false")
    process = start(FOLDER, *words, all_cores=True)
    until_step(killed, SAVED + 2, process, seconds=1500)
    process.kill()
    process.wait()
    _medft("train", f"resume={killed.root}")
    one, two = _losses(whole), _losses(killed)
    assert one.keys() == two.keys() and len(one) == STEPS
    worst = max(abs(two[step] / one[step] - 1) for step in one)
    measured.add("killed and resumed: largest difference of a step's loss", relative=worst)
    assert worst <= SAME


@pytest.mark.skipif(len(probe().gpus) < 2, reason="NOT TESTED ON TWO GPUS: there are fewer here")
def test_two_cards_reach_the_loss_of_one(measured: Measured, rows: Path) -> None:
    run = _run("two-cards")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
    words = _words(FAMILIES[0], rows, f"run_dir={run.root}", "merge=false", "trainer.per_device_batch_size=4",
                   "trainer.gradient_accumulation_steps=1", "trainer.fit=off")  # fmt: skip
    done = subprocess.run(
        [*torchrun, *MEDFT[2:], "train", *words],
        cwd=FOLDER, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    summary, alone = (json.loads(each.summary.read_text()) for each in (run, _run(FAMILIES[0])))
    assert summary["devices"] == 2
    assert summary["train_loss"] == pytest.approx(alone["train_loss"], rel=SAME)
    measured.add("two cards", tokens_per_second=summary["tokens_per_second"], loss=summary["train_loss"])


def test_speed_beside_plain_trl(measured: Measured) -> None:
    folder = FOLDER.absolute() / "speed"
    command = [sys.executable, "-m", "tests.benchmarks.bench_training", "--full", "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--rounds", "1", *(["--shape", "tiny"] if REHEARSAL else [])],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads((folder / "results.json").read_text())
    for name, (first, *_) in found["contenders"].items():
        measured.add(f"bench_training --full, {name}", tokens_per_second=first["tokens_per_second"],
                     peak_gb=first["peak"] / 1e9, mfu=first["mfu"] or "unknown")  # fmt: skip
    shutil.rmtree(folder / "base")
