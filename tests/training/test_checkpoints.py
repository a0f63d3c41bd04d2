"""Which checkpoint a run goes on from, and whether it validates there."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft.files import write_json, write_text
from medft.runs import RunDir
from medft.training.checkpoints import last_checkpoint, step_of, unvalidated
from medft.training.losslog import HEADER
from medft.training.schedule import Schedule


def checkpoint(run: RunDir, step: int) -> Path:
    folder = run.checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    write_json(folder / "trainer_state.json", {})
    (folder / "optimizer.pt").touch()
    return folder


def test_the_newest_whole_one_counts_by_its_step_and_not_by_its_name(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert last_checkpoint(run) is None
    for step in (2, 9, 10, 12):
        checkpoint(run, step)
    (run.checkpoints / "checkpoint-12" / "optimizer.pt").unlink()
    found = last_checkpoint(run)
    assert found is not None and step_of(found) == 10
    write_text(found / "trainer_state.json", '{"global_step"')  # cut short by a kill
    assert last_checkpoint(run) == run.checkpoints / "checkpoint-9"


@pytest.mark.parametrize(
    ("start", "validated", "wanted"),
    [
        (None, (), True),  # the base model's own
        (4, (0, 2, 4), False),
        (4, (0, 2), True),  # a stop left it out
        (3, (0, 2), False),  # none is due there
    ],
)
def test_a_validation_comes_first_where_it_is_due_and_missing(
    tmp_path: Path, start: int | None, validated: tuple[int, ...], wanted: bool
) -> None:
    run = RunDir(tmp_path)
    lines = [
        ",".join({"step": str(step), "split": "validation"}.get(name, "1") for name in HEADER)
        for step in validated
    ]
    write_text(run.loss_csv, "\n".join([",".join(HEADER), *lines]) + "\n")
    before = checkpoint(run, start) if start is not None else None
    assert unvalidated(run, before, Schedule(10, 8, eval_steps=2, save_steps=1)) is wanted
