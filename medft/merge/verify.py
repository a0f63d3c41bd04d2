"""The judgement of merged weights, loaded from the disk in a fresh process.

What must hold, and why it tells good from faulty on short and long runs:

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
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medft.errors import MergeError
from medft.files import read_json, write_json
from medft.merge.check import TensorReport, check_sidecars, check_tensors
from medft.merge.digests import digests
from medft.merge.inputs import Inputs
from medft.merge.logits import LogitDistance, LogitReport, Questions, compare

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


def verify(inputs: Inputs, merged: Path, questions: Questions) -> VerifyReport:
    """Judge the weights in ``merged`` in a fresh process.

    Args:
        inputs: what was merged.
        merged: the folder to judge.
        questions: prompts to compare logits on (at least one), held-out rows to compare the loss on.

    Raises:
        MergeError: they did not pass, or could not be loaded.
    """
    started = time.monotonic()
    job = {
        "base": str(inputs.base.resolve()),
        "adapter": str(inputs.adapter.resolve()),
        "merged": str(merged.resolve()),
        "trained_on": str(inputs.trained_on.resolve()) if inputs.trained_on else None,
        "stop_ids": [int(stop) for stop in inputs.stop_ids],
        "prompts": [[int(token) for token in prompt] for prompt in questions.prompts],
        "heldout": [[list(map(int, ids)), list(map(int, labels))] for ids, labels in questions.heldout],
    }
    found = _in_fresh_process(job)
    if "error" in found:
        raise MergeError(**found["error"])
    tensors = found["tensors"] | {"unchanged": tuple(found["tensors"]["unchanged"])}
    seconds = round(time.monotonic() - started, 2)
    return VerifyReport(TensorReport(**tensors), _logit_report(found["logits"]), found["files"], seconds)


def examine(inputs: Inputs, merged: Path, questions: Questions) -> VerifyReport:
    """``verify`` in this process: sees whatever an engine has patched here."""
    if not questions.prompts:
        raise MergeError("there is no prompt to compare answers on", remedy="hand over at least one")
    started = time.monotonic()
    check_sidecars(inputs, merged)
    tensors = check_tensors(inputs, merged)
    logits = compare(inputs, merged, questions)
    _judge(logits, merged)
    files = digests(merged)
    return VerifyReport(tensors, logits, files, round(time.monotonic() - started, 2))


def _judge(logits: LogitReport, merged: Path) -> None:
    distance = logits.written.relative
    if distance is not None and not distance <= TOLERANCE:  # not-a-number must fail, too
        raise MergeError(
            f"the merged weights answer differently from base + adapter: {distance:.3g} of what the adapter "
            f"changes (limit {TOLERANCE})",
            where=str(merged),
            remedy="merge again; if it stays, the adapter and the base do not belong together",
        )


def _logit_report(found: dict[str, Any]) -> LogitReport:
    names = ("written", "rounding", "quantised")
    distances = {name: LogitDistance(**found[name]) if found[name] else None for name in names}
    return LogitReport(**found | distances | {"devices": tuple(found["devices"])})


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
    trained_on = Path(job["trained_on"]) if job["trained_on"] else None
    questions = Questions(job["prompts"], [(ids, labels) for ids, labels in job["heldout"]])
    base, adapter, merged = (Path(job[name]) for name in ("base", "adapter", "merged"))
    try:
        inputs = Inputs(base, adapter, tuple(job["stop_ids"]), trained_on)
        return asdict(examine(inputs, merged, questions))
    except MergeError as error:
        return {"error": {"what": error.what, "where": error.where, "remedy": error.remedy}}


if __name__ == "__main__":
    write_json(Path(sys.argv[2]), _work(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
