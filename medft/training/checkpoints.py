"""The checkpoints of a run: which one to go on from, and whether a validation was left out there."""

from __future__ import annotations

from pathlib import Path

from medft.files import read_json
from medft.runs import RunDir
from medft.training.losslog import read_rows
from medft.training.schedule import Schedule


def last_checkpoint(run: RunDir) -> Path | None:
    """The newest whole checkpoint: transformers writes trainer_state.json last, so one that can be read
    closes its folder."""
    folders = sorted(run.checkpoints.glob("checkpoint-*"), key=step_of)
    return next((path for path in reversed(folders) if _whole(path)), None)


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint was saved after."""
    return int(checkpoint.name.rsplit("-", 1)[1])


def unvalidated(run: RunDir, start: Path | None, schedule: Schedule) -> bool:
    """Whether a validation comes before the first step: the base model's own, or one that a stop left out."""
    if start is None:
        return True
    done = {int(row["step"]) for row in read_rows(run.loss_csv) if row["split"] == "validation"}
    return step_of(start) % schedule.eval_steps == 0 and step_of(start) not in done


def _whole(checkpoint: Path) -> bool:
    try:
        read_json(checkpoint / "trainer_state.json")
    except Exception:  # a state cut short by a kill, or none
        return False
    return (checkpoint / "optimizer.pt").is_file()
