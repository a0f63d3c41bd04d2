"""One name, one definition and a number of rows for every loss of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medft.runs import RunDir
from medft.runs.losses import named, rows_asked, train_means
from medft.runs.record import RunRecord


def test_the_train_loss_is_the_mean_of_all_steps_as_transformers_has_it() -> None:
    means = train_means([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    assert means == {"train_loss": 5.5, "train_loss_first_fifth": 9.5, "train_loss_last_fifth": 1.5}


def test_a_line_counts_as_many_steps_as_it_is_the_mean_of() -> None:
    assert train_means([5, 10, 12], [3.0, 2.0, 1.0])["train_loss"] == pytest.approx((15 + 10 + 2) / 12)
    assert train_means([], [])["train_loss"] is None


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    run = RunDir(tmp_path / "a" / "1")
    run.root.mkdir(parents=True)
    run.environment.write_text('{"format": 3}')
    encoding = {name: {"rows": rows} for name, rows in (("train", 220), ("validation", 27), ("test", 90))}
    run.ledger.write_text(json.dumps({"encoding": encoding}))
    run.config.write_text("trainer: {validation_rows: 512, test_rows: 64}")
    run.summary.write_text(json.dumps({"train_loss": 5.5, "test_loss": 4.0, "validation_loss": None}))
    return RunRecord(run)


def test_every_loss_says_its_split_and_rows(record: RunRecord) -> None:
    assert rows_asked(record) == {"train": 220, "validation": 27, "test": 64}
    assert [(loss.name, loss.value, loss.rows) for loss in named(record)] == [
        ("train loss, mean of all steps", 5.5, 220), ("test loss", 4.0, 64),
    ]  # fmt: skip


def test_what_an_older_medft_called_its_train_loss_is_named_a_tail_mean(record: RunRecord) -> None:
    record.run.environment.write_text('{"format": 2}')
    old = RunRecord(record.run)
    assert next(loss.name for loss in named(old)) == "train loss, mean of the last fifth of the steps"
    assert "train_loss" not in old.summary
