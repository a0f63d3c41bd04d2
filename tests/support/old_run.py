"""A run folder as medft wrote it at commit b3ab957, before folders carried a format number.

tests/fixtures/format1 was made there by ``medft train model=mistral scale=tiny dataset=csv
dataset.path=rows.csv trainer.max_steps=4 trainer.objective=bits_per_byte ...`` (its config.yaml has the whole
line) and ``medft evaluate suite=heldout``. Left out are logs, pictures and the second checkpoint; sizes and
names of the machine are replaced.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from medft.runs import RunDir
from tests.support.trained_run import share_twins

FIXTURE = Path(__file__).parents[1] / "fixtures" / "format1"


def old_run(folder: Path) -> RunDir:
    """A copy of the run in ``folder``, beside its rows and today's twins; its paths are relative to there."""
    shutil.copytree(FIXTURE, folder, dirs_exist_ok=True)
    share_twins(folder / "artifacts" / "tiny")
    return RunDir(next((folder / "artifacts" / "runs").glob("*/*")))
