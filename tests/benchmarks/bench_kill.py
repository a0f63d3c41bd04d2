"""Kill a training at random moments, resume it, and compare what it logged with a run that was left alone.

    python -m tests.benchmarks.bench_kill [--kills 20] [--steps 20] [--seed 0] [--folder DIR]

One run is trained to its end. Then a second one of the same settings is started, killed with SIGKILL at a
random moment of its life (while it loads, trains, writes a checkpoint, tests or saves), and resumed, until it
finishes; then a third, until so many kills have been dealt. Nothing may be lost: every line of loss.csv but
its seconds, and every byte of the adapter, must equal the first run's.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medft.models.tiny import twin
from medft.runs import RunDir
from medft.training.losslog import read_rows
from tests.support.process import start
from tests.support.training import ARGUMENTS, compared

REACH = 6
"""Steps that a run goes on at most before it is killed again."""
LOADING, STEP = 8.0, 0.5
"""Seconds within which a kill falls while a run loads, and after a step has been logged: that is into later
steps, validations, checkpoints, the test and the saving of the adapter."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill."""

    run: int
    """Which of the runs."""
    after: float
    """Seconds since its process began."""
    step: int
    """The last step that had been logged."""
    whole: str
    """The newest checkpoint on disk, and whether it was whole."""


def main() -> None:
    """Train, kill, resume, compare, show."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    given = options.parse_args()
    draw = random.Random(given.seed)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        built = twin("mistral", Path("artifacts/tiny").absolute()).root
        shutil.copytree(built, folder / "artifacts" / "tiny" / built.name)
        whole, seconds = train_whole(folder, given.steps)
        print(f"a run of {given.steps} steps that is left alone takes {seconds:.1f} s\n")
        print(f"{'kill':>4} {'run':>4} {'after s':>8} {'step':>5}  newest checkpoint")
        kills, runs = 0, 0
        while kills < given.kills:
            runs += 1
            run = RunDir(folder / f"run{runs}")
            for kill in kill_until_finished(run, runs, folder, given.steps, given.kills - kills, draw):
                kills += 1
                print(f"{kills:4} {kill.run:4} {kill.after:8.1f} {kill.step:5}  {kill.whole}", flush=True)
            print(f"     run {runs} finished: {verdict(run, whole)}", flush=True)
        print(f"\n{kills} kills over {runs} runs")


def train_whole(folder: Path, steps: int) -> tuple[RunDir, float]:
    """The run to compare with, and the seconds that it takes."""
    run, began = RunDir(folder / "whole"), time.monotonic()
    assert _go(run, folder, steps).wait() == 0
    return run, time.monotonic() - began


def kill_until_finished(
    run: RunDir, number: int, folder: Path, steps: int, most: int, draw: random.Random
) -> Iterator[Kill]:
    """Start or resume ``run`` and kill it, ``most`` times at most; then let it finish."""
    for _ in range(most):
        before = _last_step(run)
        if before == steps and draw.random() < 0.5:
            break  # nothing is left but to test and save
        process, began = _go(run, folder, steps), time.monotonic()
        step = draw.randint(before, min(before + REACH, steps))
        moment = draw.uniform(0, LOADING if step == before else STEP)
        if not _reached(process, run, step, moment):
            assert process.returncode == 0, process.returncode
            return
        process.kill()
        process.wait()
        yield Kill(number, time.monotonic() - began, _last_step(run), _newest(run))
        if run.summary.is_file():
            return
    assert _go(run, folder, steps).wait() == 0


def _reached(process: subprocess.Popen[bytes], run: RunDir, step: int, moment: float) -> bool:
    """Wait until ``moment`` seconds after ``step`` has been logged; False when the process ended before."""
    while process.poll() is None and _last_step(run) < step:
        time.sleep(0.005)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    return process.poll() is None


def _go(run: RunDir, folder: Path, steps: int) -> subprocess.Popen[bytes]:
    if run.config.is_file():
        return start(folder, f"resume={run.root}", stderr=subprocess.DEVNULL)
    settings = (*ARGUMENTS, f"trainer.max_steps={steps}", f"run_dir={run.root}")
    return start(folder, *settings, stderr=subprocess.DEVNULL)


def _last_step(run: RunDir) -> int:
    return (
        max((int(row["step"]) for row in read_rows(run.loss_csv)), default=0) if run.loss_csv.is_file() else 0
    )


def _newest(run: RunDir) -> str:
    folders = sorted(run.checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name.rsplit("-", 1)[1]))
    if not folders:
        return "none"
    return folders[-1].name + ("" if (folders[-1] / "trainer_state.json").is_file() else ", torn")


def verdict(run: RunDir, whole: RunDir) -> str:
    """Whether ``run`` came out as the run that was left alone."""
    lines = compared(run) == compared(whole)
    weights = [(each.adapter / "adapter_model.safetensors").read_bytes() for each in (run, whole)]
    return "losses and adapter equal bit for bit" if lines and weights[0] == weights[1] else "DIFFERENT"


if __name__ == "__main__":
    main()
