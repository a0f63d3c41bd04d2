"""The judgement of merged weights: loaded from the disk in a fresh process, called merged only if they pass.

Owns the threshold, the fresh process, and ``merge_and_verify``, which shows no folder before it passed. Knows
nothing of how prompts came about. What must hold, and why it tells good from faulty on short and long runs:

* Every weight is the rounding of ``W + s * B A`` (``check``). Exact, so the length of the run is no matter.
* The merged folder's logits are those of peft's merge in memory, rounded to the same type: their distance is
  at most ``TOLERANCE`` of what the merge changes. Both hold the same numbers, so a good merge scores 0
  however small the change is, and a copy of the base scores 1. The room between is for a GPU's order of sums.

The distance to base + adapter *unmerged* cannot be a threshold, because rounding alone costs more the shorter
the run. Measured on the tiny twins of four families in bfloat16, relative to the adapter's effect (B drawn at
the size that so much training gives it; a copy of the base scored 1.00 and an adapter applied twice 0.91 to
1.21 in every row):

    ===============  =========  =========  =============================
    size of B        written    rounding   elements changed by the merge
    ===============  =========  =========  =============================
    0.02  (long)     0          0.01       98%
    3e-3             0          0.05       90%
    2e-4 (one step)  0          0.4 - 0.9  26%
    4e-5 (warm-up)   0          0.8 - 1.0   5%
    ===============  =========  =========  =============================

So it is reported (``rounding``), as is the distance to the 4-bit base + adapter that was trained
(``quantised``).

    merged, checked = merge_and_verify(
        base, run.adapter, run.merged, questions, stop_ids=[2], quantised=nf4_base
    )
    summary["merge"] = dataclasses.asdict(merged) | {"check": dataclasses.asdict(checked)}
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medft.errors import MergeError
from medft.files import atomic_folder, read_json, write_json
from medft.merge.check import TensorReport, check_companions, check_tensors
from medft.merge.digests import digests
from medft.merge.logits import Difference, LogitReport, Questions, compare
from medft.merge.stream import SHARD_BYTES, Dtype, MergeReport, Progress, write_merged

TOLERANCE = 0.05
"""Largest distance to peft's merge, as a share of what the merge changes in the logits."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found; a report exists only of weights that passed."""

    tensors: TensorReport
    """The exact comparison of every weight."""
    logits: LogitReport
    """The comparison of answers."""
    files: dict[str, str]
    """SHA-256 of each file as it was when it passed."""
    seconds: float
    """Wall time."""


def merge_and_verify(
    base: Path,
    adapter: Path,
    out: Path,
    questions: Questions,
    *,
    dtype: Dtype | None = None,
    max_shard_bytes: int = SHARD_BYTES,
    stop_ids: Iterable[int] = (),
    quantised: Path | None = None,
    progress: Progress | None = None,
) -> tuple[MergeReport, VerifyReport]:
    """``merge``, then ``verify`` where the weights lie aside; ``out`` appears only if they pass.

    Raises:
        MergeError: the merge failed or its result did not pass; ``out`` is as it was before.
    """
    stops = list(stop_ids)
    with atomic_folder(out) as aside:
        report = write_merged(
            base,
            adapter,
            aside,
            dtype=dtype,
            max_shard_bytes=max_shard_bytes,
            stop_ids=stops,
            progress=progress,
        )
        return report, verify(base, adapter, aside, questions, stop_ids=stops, quantised=quantised)


def verify(
    base: Path,
    adapter: Path,
    merged: Path,
    questions: Questions,
    *,
    stop_ids: Sequence[int] = (),
    quantised: Path | None = None,
) -> VerifyReport:
    """Judge the weights in ``merged`` in a fresh process.

    Args:
        base: the base they were merged into.
        adapter: the adapter.
        merged: the folder to judge.
        questions: prompts to compare logits on (at least one), held-out rows to compare the loss on.
        stop_ids: token ids that must end a generation.
        quantised: folder of the 4-bit base that the adapter was trained on, to be compared with.

    Raises:
        MergeError: they did not pass, or could not be loaded.
    """
    started = time.monotonic()
    job = {
        "base": str(base.resolve()),
        "adapter": str(adapter.resolve()),
        "merged": str(merged.resolve()),
        "quantised": str(quantised.resolve()) if quantised else None,
        "stop_ids": [int(stop) for stop in stop_ids],
        "prompts": [[int(token) for token in prompt] for prompt in questions.prompts],
        "heldout": [[list(map(int, ids)), list(map(int, labels))] for ids, labels in questions.heldout],
    }
    found = _in_fresh_process(job)
    if "error" in found:
        raise MergeError(**found["error"])
    tensors = found["tensors"] | {"unchanged": tuple(found["tensors"]["unchanged"])}
    seconds = round(time.monotonic() - started, 2)
    return VerifyReport(TensorReport(**tensors), _logit_report(found["logits"]), found["files"], seconds)


def examine(
    base: Path,
    adapter: Path,
    merged: Path,
    questions: Questions,
    *,
    stop_ids: Sequence[int] = (),
    quantised: Path | None = None,
) -> VerifyReport:
    """``verify`` in this process: sees whatever an engine has patched here."""
    if not questions.prompts:
        raise MergeError("there is no prompt to compare answers on", remedy="hand over at least one")
    started = time.monotonic()
    check_companions(base, adapter, merged, stop_ids)
    tensors = check_tensors(base, adapter, merged)
    logits = compare(base, adapter, merged, quantised, questions)
    _judge(logits, merged)
    files = digests(merged)
    return VerifyReport(tensors, logits, files, round(time.monotonic() - started, 2))


def _judge(logits: LogitReport, merged: Path) -> None:
    distance = logits.written.relative
    if distance is not None and not distance <= TOLERANCE:  # not-a-number must fail, too
        raise MergeError(
            f"the merged weights answer differently from base + adapter: {distance:.3g} of what the adapter "
            f"changes, where at most {TOLERANCE} may be",
            where=str(merged),
            remedy="merge again; if it stays, the adapter and the base do not belong together",
        )


def _logit_report(found: dict[str, Any]) -> LogitReport:
    names = ("written", "rounding", "quantised")
    differences = {name: Difference(**found[name]) if found[name] else None for name in names}
    return LogitReport(**found | differences | {"devices": tuple(found["devices"])})


def _in_fresh_process(job: dict[str, Any]) -> dict[str, Any]:
    """Run this module on ``job``. The process sees no hub and none of the patches that this one carries."""
    with tempfile.TemporaryDirectory(prefix="medft-verify-") as name:
        path, result = Path(name) / "job.json", Path(name) / "result.json"
        write_json(path, job)
        quiet = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error"}
        done = subprocess.run(
            [sys.executable, "-m", "medft.merge.verify", str(path), str(result)],
            env={**os.environ, **quiet, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode or not result.is_file():
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise MergeError(f"the merged weights could not be loaded: {last}", where=str(job["merged"]))
        found: dict[str, Any] = read_json(result)
        return found


def _work(job: dict[str, Any]) -> dict[str, Any]:
    quantised = Path(job["quantised"]) if job["quantised"] else None
    questions = Questions(job["prompts"], [(ids, labels) for ids, labels in job["heldout"]])
    base, adapter, merged = (Path(job[name]) for name in ("base", "adapter", "merged"))
    try:
        report = examine(base, adapter, merged, questions, stop_ids=job["stop_ids"], quantised=quantised)
        return asdict(report)
    except MergeError as error:
        return {"error": {"what": error.what, "where": error.where, "remedy": error.remedy}}


if __name__ == "__main__":
    write_json(Path(sys.argv[2]), _work(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
