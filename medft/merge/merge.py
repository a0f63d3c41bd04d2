"""The merge: write base + adapter aside, check what was written, and only then publish the folder.

merged, checked = merge(Inputs(base, run.adapter, stop_ids=(2,)), run.merged, questions)
summary["merge"] = dataclasses.asdict(merged) | {"check": dataclasses.asdict(checked)}
"""

from __future__ import annotations

from pathlib import Path

from medft.files import atomic_folder
from medft.merge.inputs import Inputs
from medft.merge.logits import Questions
from medft.merge.stream import SHARD_BYTES, MergeReport, write
from medft.merge.verify import VerifyReport, verify


def merge(
    inputs: Inputs, out: Path, questions: Questions, max_shard_bytes: int = SHARD_BYTES
) -> tuple[MergeReport, VerifyReport]:
    """Merge into the folder ``out``, which appears, or is replaced, only if the weights pass their check.

    Args:
        inputs: what is merged.
        out: the folder.
        questions: as ``verify`` wants them.
        max_shard_bytes: largest weights file, unless one tensor is larger.

    Raises:
        MergeError: the merge failed or its result did not pass; ``out`` is as it was before.
    """
    with atomic_folder(out) as aside:
        written = write(inputs, aside, max_shard_bytes)
        return written, verify(inputs, aside, questions)
