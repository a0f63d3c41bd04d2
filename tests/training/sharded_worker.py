"""Under torchrun, as two processes: trainings that hold the base in shares, one after the other, so that the
libraries are imported once; then the first process alone trains what they are compared with.

Called in the folder of the runs, with the words of a training.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from medft import ranks
from medft.cli import main
from medft.overrides import latest
from medft.runs import RunDir

STEPS = 12
"""Steps of a training."""
IN_SHARES = ("engine.sharding=fsdp", "trainer.gradient_accumulation_steps=1")
ALONE = ("engine.sharding=none", "trainer.gradient_accumulation_steps=2")
SIXTEEN = "engine.load_in_4bit=false"
OTHERS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def medft(*words: str) -> None:
    """A training."""
    assert main(["train", *latest(words)]) == 0, words


def stopped(run: str, name: str) -> None:
    """A copy of a run as if it had been stopped after the last checkpoint but one."""
    copy = RunDir(Path(shutil.copytree(run, name, symlinks=True)))
    for folder in (copy.adapter, copy.merged, copy.checkpoints / f"checkpoint-{STEPS}"):
        shutil.rmtree(folder, ignore_errors=True)
    copy.summary.unlink()
    copy.mark("interrupted")


def together(words: list[str]) -> None:
    """What two processes train."""
    from torch import distributed

    medft(*words, *IN_SHARES, "run_dir=four")
    medft(*words, *IN_SHARES, SIXTEEN, "merge=true", "run_dir=sixteen")
    if ranks.first():
        stopped("four", "again")
        stopped("sixteen", "alone")
    distributed.barrier()
    medft("resume=again")


def alone(words: list[str]) -> None:
    """What one process trains."""
    from accelerate.state import AcceleratorState

    for name in OTHERS:
        os.environ.pop(name)
    AcceleratorState._reset_state(reset_partial_state=True)
    medft(*words, *ALONE, "run_dir=one_four")
    medft(*words, *ALONE, SIXTEEN, "run_dir=one_sixteen")
    medft("resume=alone", *ALONE, "merge=false")


if __name__ == "__main__":
    leave, ranks.leave = ranks.leave, lambda: None  # the processes stay together between the trainings
    together(sys.argv[1:])
    leave()
    if ranks.first():
        alone(sys.argv[1:])
