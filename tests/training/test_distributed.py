"""Two processes that share the rows of a step train as one that accumulates them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft import ranks
from medft.errors import ConfigError
from medft.models.tiny import Twin

RECIPE = [
    "model=mistral", "trainer.max_steps=4", "trainer.per_device_batch_size=2", "trainer.eval_steps=2",
    "trainer.max_length=64", "logger.wandb=off", "merge=false", "trainer.optimizer=adamw_torch",
    "model.dtype=float32", "dataset.limit=48",
]  # fmt: skip


def launch(
    workplace: Path, launcher: list[str], name: str, *overrides: str
) -> subprocess.CompletedProcess[str]:
    """Train from the command line, into the run folder ``name``."""
    command = [sys.executable, "-m", *launcher, "medft", "train", *RECIPE, *overrides, f"run_dir={name}"]
    environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        command, cwd=workplace, env=os.environ | environment, capture_output=True, text=True, timeout=200
    )


def lines(run: Path) -> list[dict[str, str]]:
    with (run / "loss.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, twins: Callable[[Any], Twin]) -> Path:
    folder = tmp_path_factory.mktemp("work")
    (folder / "artifacts").mkdir()
    (folder / "artifacts" / "tiny").symlink_to(twins("mistral").root.parent)
    return folder


def test_two_processes_give_the_losses_of_one_with_twice_the_accumulation(workplace: Path) -> None:
    torchrun = ["torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
    two = launch(workplace, torchrun, "two", "trainer.gradient_accumulation_steps=1")
    assert two.returncode == 0, two.stderr + two.stdout
    one = launch(workplace, [], "one", "trainer.gradient_accumulation_steps=2")
    assert one.returncode == 0, one.stderr + one.stdout

    for ours, alone in zip(lines(workplace / "two"), lines(workplace / "one"), strict=True):
        same = ("step", "split", "tokens")  # tokens of both processes count
        assert [ours[name] for name in same] == [alone[name] for name in same]
        for figure in ("loss", "bits_per_byte"):
            assert float(ours[figure]) == pytest.approx(float(alone[figure]), rel=2e-5)
    splits = {line["split"] for line in lines(workplace / "two")}
    assert splits == {"train", "validation", "test"}

    # One process speaks and writes for both.
    assert two.stdout.count("mistral-tiny x sample x medical_qa") == 1
    assert two.stdout.count("4 steps x 4 rows") == 1
    assert two.stdout.count("adapter/") == 1
    summary = json.loads((workplace / "two" / "summary.json").read_text())
    assert (summary["devices"], summary["steps"]) == (2, 4)
    assert (workplace / "two" / "run.1.log").is_file()


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
