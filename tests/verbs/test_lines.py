"""What is read on the screen of a training."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft.compose import settings
from medft.engine import compat
from medft.runs import RunDir
from medft.screen import Screen
from medft.verbs.lines import announce, say_end, say_merged
from medft.verbs.stages import Stages
from tests.data.support import dataset, jsonl, prepared, qa
from tests.plan.support import resolved


def test_versions_that_were_never_tested_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", qa(20))), tmp_path)
    how = resolved(reasons={"engine": "because", "scale": "because"})
    announce(Screen(), settings("train", []), how, rows)
    assert "tested with" not in capsys.readouterr().out
    monkeypatch.setitem(compat.TESTED, "peft", "<0.1")
    announce(Screen(), settings("train", []), how, rows)
    assert "tested with <0.1" in capsys.readouterr().out


def test_the_end_names_every_loss_with_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    summary = {
        "steps": 60, "train_loss": 5.775, "train_loss_last_fifth": 5.364, "validation_loss": 5.466,
        "test_loss": 5.416, "bits_per_byte": 2.31, "loss_rows": {"train": 220, "validation": 27, "test": 27},
    }  # fmt: skip
    screen = Screen()
    say_end(screen, summary, Stages(screen))
    said = capsys.readouterr().out
    for words in (
        "train loss 5.775 (mean of 60 steps; last fifth 5.364)", "test loss 5.416 on 27 rows",
        "validation loss 5.466 on 27 rows; 2.310 bits/byte",
    ):  # fmt: skip
        assert words in said
    say_end(screen, {**summary, "validation_loss": None, "test_loss": None}, Stages(screen))
    assert "validation" not in capsys.readouterr().out


def test_a_merge_whose_answers_were_not_compared_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = {
        "base_kind": "16-bit", "passed_over": [], "tensors": {"tensors": 291, "unchanged": []},
        "logits": None,
        "not_compared": "that needs 20.1 GB of memory, and cpu has 11.0 GB free", "dtype": "bfloat16",
        "rounding": "stochastic",
    }  # fmt: skip
    say_merged(Screen(), RunDir(tmp_path), report)
    said = " ".join(capsys.readouterr().out.split())
    assert "all 291 weights exact answers not compared, that needs 20.1 GB of memory" in said
    assert "loss on" not in said
