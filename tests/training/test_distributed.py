"""Two processes, on one machine or two, share the rows of a step and train as one that accumulates them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft import ranks
from medft.errors import ConfigError
from medft.files import read_json
from medft.models.tiny import Twin
from medft.runs import RunDir
from medft.training.losslog import read_rows
from tests.support.training import until_step

RECIPE = [
    "model=mistral", "trainer.max_steps=12", "trainer.per_device_batch_size=2", "trainer.eval_steps=4",
    "trainer.max_length=64", "logger.wandb=off", "merge=false", "trainer.optimizer=adamw_torch",
    "model.dtype=float32", "dataset.limit=47",
]  # fmt: skip
"""Ten steps an epoch; the last one of 37 rows has one row, of which two processes make four."""
ALONE = ("medft", "train")
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m")


def launch(
    workplace: Path, launcher: tuple[str, ...], *overrides: str, **environment: str
) -> subprocess.Popen[str]:
    """Train from the command line."""
    command = [sys.executable, "-m", *launcher, *overrides]
    always = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=workplace, env=os.environ | always | environment, stdout=pipe, stderr=pipe, text=True
    )


def by_torchrun(workplace: Path, *overrides: str) -> list[subprocess.Popen[str]]:
    """One process on each of two nodes, both of them this machine, which meet at a port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meet = f"--rdzv_endpoint=127.0.0.1:{free.getsockname()[1]}"
    node = ("torch.distributed.run", "--nnodes=2", "--nproc_per_node=1", "--rdzv_backend=c10d", meet, "-m")
    return [launch(workplace, (*node, *ALONE), *overrides) for _ in range(2)]


def by_srun(workplace: Path, *overrides: str) -> list[subprocess.Popen[str]]:
    """Two tasks on two nodes, told what srun tells them."""
    step = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_NUM_TASKS": "2", "SLURM_LOCALID": "0"}
    step |= {"SLURM_STEP_ID": "0", "SLURM_STEP_NODELIST": "localhost"}
    return [launch(workplace, ALONE, *overrides, **step, SLURM_PROCID=number) for number in ("1", "0")]


def finished(process: subprocess.Popen[str], seconds: float = 200) -> str:
    """What it printed."""
    out, error = process.communicate(timeout=seconds)
    assert process.returncode == 0, error + out
    return out


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, twins: Callable[[Any], Twin]) -> Path:
    folder = tmp_path_factory.mktemp("work")
    (folder / "artifacts").mkdir()
    (folder / "artifacts" / "tiny").symlink_to(twins("mistral").root.parent)
    return folder


@pytest.fixture(scope="module")
def one(workplace: Path) -> RunDir:
    """A process alone, which accumulates what two share."""
    finished(launch(workplace, ALONE, *RECIPE, "trainer.gradient_accumulation_steps=2", "run_dir=one"))
    return RunDir(workplace / "one")


@pytest.fixture(scope="module")
def stopped(workplace: Path) -> RunDir:
    """Two processes, of which one alone is told to stop after its third step."""
    run = RunDir(workplace / "two")
    nodes = by_torchrun(workplace, *RECIPE, "trainer.gradient_accumulation_steps=1", "run_dir=two")
    until_step(run, 3, nodes[0])
    os.kill(read_json(run.status)["pid"], signal.SIGUSR1)
    for node in nodes:
        node.communicate(timeout=100)
    return run


@pytest.fixture(scope="module")
def resumed(stopped: RunDir, workplace: Path) -> str:
    """What the stopped run printed when it went on to its end."""
    return "".join(finished(task) for task in by_srun(workplace, "resume=two"))


def test_processes_stop_together_whichever_is_told_to(stopped: RunDir) -> None:
    last = int(read_rows(stopped.loss_csv)[-1]["step"])
    assert stopped.state() == "interrupted" and 3 <= last < 12
    saved = stopped.checkpoints / f"checkpoint-{last}"
    assert all((saved / f"rng_state_{rank}.pth").is_file() for rank in (0, 1))


def test_two_processes_stopped_and_resumed_give_the_losses_of_one(
    one: RunDir, stopped: RunDir, resumed: str
) -> None:
    for ours, alone in zip(read_rows(stopped.loss_csv), read_rows(one.loss_csv), strict=True):
        same = ("step", "split", "tokens")  # tokens of both processes count, repeated rows do not
        assert [ours[name] for name in same] == [alone[name] for name in same]
        for figure in ("loss", "bits_per_byte"):
            assert float(ours[figure]) == pytest.approx(float(alone[figure]), rel=2e-5)
    assert {row["split"] for row in read_rows(stopped.loss_csv)} == {"train", "validation", "test"}


def test_one_process_speaks_and_writes_for_both(stopped: RunDir, resumed: str) -> None:
    assert resumed.count("mistral-tiny x sample x medical_qa") == 1
    assert resumed.count("12 steps x 4 rows") == 1
    assert resumed.count("adapter/") == 1
    summary = read_json(stopped.summary)
    assert (summary["devices"], summary["steps"]) == (2, 12)
    assert (stopped.root / "run.1.log").is_file()


def test_a_process_alone_is_the_first_of_one_and_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert (ranks.rank(), ranks.count(), ranks.first()) == (0, 1, True)
    assert ranks.share(lambda: 5) == 5
    assert ranks.own(Path("run.log")) == Path("run.log")
    ranks.leave()


@pytest.mark.parametrize(("number", "makes"), [("0", True), ("1", False)])
def test_what_the_first_process_makes_or_raises_is_everyones(
    monkeypatch: pytest.MonkeyPatch, number: str, makes: bool
) -> None:
    monkeypatch.setenv("RANK", number)
    monkeypatch.setenv("WORLD_SIZE", "2")
    error = ConfigError("no", remedy="yes")
    monkeypatch.setattr(ranks, "_broadcast", lambda box: box.__setitem__(0, box[0] or error))
    made: list[int] = []

    def make() -> None:
        made.append(1)
        raise error

    with pytest.raises(ConfigError, match="no"):
        ranks.share(make)
    assert bool(made) is makes
    assert ranks.own(Path("a/run.log")) == Path("a/run.log" if makes else "a/run.1.log")
