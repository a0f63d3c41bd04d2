"""The merge: write base + adapter aside, check what was written, and only then publish the folder.

merged, checked = merge(Inputs(base, run.adapter, stop_ids=(2,)), run.merged, questions)
summary["merge"] = dataclasses.asdict(merged) | {"check": dataclasses.asdict(checked)}
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medft.aliases import Advance
from medft.files import atomic_folder
from medft.merge.base import BaseWeights
from medft.merge.inputs import Inputs
from medft.merge.logits import BetterBaseError, GainLostError, Questions
from medft.merge.stream import SHARD_BYTES, MergeReport, write
from medft.merge.verify import VerifyReport, verify


def merge(
    inputs: Inputs,
    out: Path,
    questions: Questions,
    max_shard_bytes: int = SHARD_BYTES,
    advance: Advance = lambda rows: None,
) -> tuple[MergeReport, VerifyReport]:
    """Merge into the folder ``out``, which appears, or is replaced, only if the weights pass their check.

    What ``inputs.merging`` leaves open is decided here: the 4-bit base where the adapter is better on that,
    and the first way of rounding that keeps the gain.

    Args:
        inputs: what is merged.
        out: the folder.
        questions: as ``verify`` wants them.
        max_shard_bytes: largest weights file, unless one tensor is larger.
        advance: as ``verify`` wants it.

    Raises:
        MergeError: the merge failed or its result did not pass; ``out`` is as it was before.
    """
    try:
        return _merge(inputs, out, questions, max_shard_bytes, advance)
    except BetterBaseError as error:
        if inputs.trained_on is None:
            raise
        own = replace(inputs, base=inputs.trained_on, trained_on=None)
        written, judged = _merge(own, out, questions, max_shard_bytes, advance)
        logits = judged.logits and replace(judged.logits, bases=error.bases)
        return written, replace(judged, logits=logits)


def _merge(
    inputs: Inputs, out: Path, questions: Questions, max_shard_bytes: int, advance: Advance
) -> tuple[MergeReport, VerifyReport]:
    """The same, into ``inputs.base``."""
    candidates = inputs.merging.candidates(BaseWeights(inputs.base).dtype)
    passed_over: list[str] = []
    for at, merging in enumerate(candidates):
        rest = candidates[at + 1 :]
        tried = replace(inputs, merging=merging, strict=bool(rest) or inputs.merging.rounding != "nearest")
        open_choice = any(other.dtype == merging.dtype for other in rest)
        asked = questions if open_choice else replace(questions, choice=())
        try:
            with atomic_folder(out) as aside:
                written = write(tried, aside, max_shard_bytes)
                judged = verify(tried, aside, asked, advance)
        except GainLostError as error:
            if not rest:
                raise
            passed_over.append(f"{merging.dtype}, {merging.rounding}: {error.what}")
        else:
            return replace(written, passed_over=tuple(passed_over)), judged
    raise AssertionError("the last candidate returns or raises")
