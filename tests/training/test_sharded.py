"""Two processes that hold a share of the base each train as one that holds all of it, and prove it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from medft.files import read_json
from medft.runs import RunDir
from medft.training.losslog import read_rows
from tests.training.sharded_worker import STEPS
from tests.training.test_distributed import RECIPE, TORCHRUN, finished, launch, workplace

__all__ = ["workplace"]

RELATIVE = 2e-5
"""What a loss may differ by: float32 sums in another order, as between copies (test_distributed)."""


@pytest.fixture(scope="module")
def runs(workplace: Path) -> Path:
    worker = launch(workplace, (*TORCHRUN, "tests.training.sharded_worker"), *RECIPE)
    finished(worker, seconds=600)  # six trainings and a merge, on a machine that may be busy
    return workplace


def same(run: RunDir, other: RunDir) -> None:
    """All lines of both, of train, validation and test."""
    ours, theirs = read_rows(run.loss_csv), read_rows(other.loss_csv)
    assert {row["split"] for row in ours} == {"train", "validation", "test"}
    for line, other_line in zip(ours, theirs, strict=True):
        for name in ("step", "split", "tokens"):
            assert line[name] == other_line[name]
        for figure in ("loss", "bits_per_byte"):
            assert float(line[figure]) == pytest.approx(float(other_line[figure]), rel=RELATIVE), line


def test_bases_in_shares_give_the_losses_of_one_process(runs: Path) -> None:
    for bits in ("four", "sixteen"):
        same(RunDir(runs / bits), RunDir(runs / f"one_{bits}"))


def test_a_checkpoint_is_gone_on_from_by_as_many_processes_and_by_one(runs: Path) -> None:
    for name, whole in (("again", "four"), ("alone", "sixteen")):
        run = RunDir(runs / name)
        same(run, RunDir(runs / whole))
        assert read_json(run.summary)["steps"] == STEPS
    assert "shares" not in read_json(runs / "alone" / "summary.json")


def test_each_process_holds_half(runs: Path) -> None:
    for name, packed in (("four", 14), ("sixteen", 0)):
        run = RunDir(runs / name)
        summary = read_json(run.summary)
        shares = summary["shares"]
        assert summary["sharding"] == "fsdp" and shares["processes"] == 2
        assert sum(shares["bytes_held"]) == shares["bytes_whole"]
        assert max(shares["bytes_held"]) == pytest.approx(shares["bytes_whole"] / 2, rel=0.01)
        assert shares["packed"] == packed
        for log in ("run.log", "run.1.log"):
            assert "this process holds" in (run.root / log).read_text(encoding="utf-8")


def test_the_adapter_is_saved_once_whole_and_merges(runs: Path) -> None:
    adapter = load_file(runs / "sixteen" / "adapter" / "adapter_model.safetensors")
    alone = load_file(runs / "one_sixteen" / "adapter" / "adapter_model.safetensors")
    assert adapter.keys() == alone.keys()
    for name, tensor in adapter.items():
        torch.testing.assert_close(tensor, alone[name], rtol=1e-3, atol=1e-6)
    merge = read_json(runs / "sixteen" / "summary.json")["merge"]
    assert merge["tensors"]["tensors"] > 0 and (runs / "sixteen" / "merged").is_dir()
