"""The judgement of merged weights, loaded from the disk in a fresh process.

What must hold, and why it tells good from faulty on short and long runs:

* Every weight is the rounding of ``W + s * B A`` by the method of the merge (``check``). Exact, so the length
  of the run is no matter.
* The gain is kept: where its interval on held-out rows excludes 0, the share of it that is lost is not shown
  to be above ``LOST``, unless rounding to nearest was asked for by name. Where no gain is shown, there is
  none to lose: the distance of the logits is told, with a notice from ``OFF`` of the adapter's effect on.
* Weights rounded to nearest answer as peft's merge in memory does, rounded alike: their distance is at most
  ``TOLERANCE`` of what the merge changes. Both hold the same numbers, so a good merge scores 0 however small
  the change is.

Where no device has the memory for the models, only the first is judged, and the report says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medft.aliases import Advance
from medft.errors import MergeError
from medft.merge.answers import NoRoomError, Row
from medft.merge.check import TensorReport, check_tensors
from medft.merge.digests import digests
from medft.merge.inputs import Inputs
from medft.merge.kept import Interval
from medft.merge.logits import (
    BaseChoice,
    BetterBaseError,
    Choice,
    GainLostError,
    LogitDistance,
    LogitReport,
    Questions,
    compare,
)
from medft.merge.rounding import MergingConfig
from medft.merge.sidecar_check import check_sidecars

LOST = 0.01
"""Share of a shown gain that merged weights may lose."""
OFF = 0.5
"""Distance of the logits to base + adapter, as a share of the adapter's effect, from which a person is told:
halfway to what a copy of the base scores."""
TOLERANCE = 0.05
"""Largest distance of weights rounded to nearest to peft's merge, as a share of what that changes."""
_STEP, _RESULT = "medft-step", "medft-result"  # lines of the fresh process: rows read, and what was found


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found; a report exists only of weights that passed."""

    tensors: TensorReport
    """The exact comparison of every weight."""
    logits: LogitReport | None
    """The comparison of answers; None where no device has the memory for it."""
    not_compared: str
    """Why answers were not compared; empty where they were."""
    files: dict[str, str]
    """SHA-256 of each file as it was when it passed."""
    seconds: float
    """Wall time."""


def verify(
    inputs: Inputs, merged: Path, questions: Questions, advance: Advance = lambda rows: None
) -> VerifyReport:
    """Judge the weights in ``merged`` in a fresh process.

    Args:
        inputs: what was merged.
        merged: the folder to judge.
        questions: rows to compare loss and logits on, at least one.
        advance: called for each row that a model has read.

    Raises:
        GainLostError: they are exact, and lose part of the gain that a finer type or another rounding keeps.
        BetterBaseError: the adapter is better on the 4-bit base that it was trained on.
        MergeError: they did not pass, or could not be loaded.
    """
    started = time.monotonic()
    job = {
        "base": str(inputs.base.resolve()),
        "adapter": str(inputs.adapter.resolve()),
        "merged": str(merged.resolve()),
        "trained_on": str(inputs.trained_on.resolve()) if inputs.trained_on else None,
        "stop_ids": [int(stop) for stop in inputs.stop_ids],
        "merging": asdict(inputs.merging),
        "seed": inputs.seed,
        "strict": inputs.strict,
        "rows": _plain(questions.rows),
        "split": questions.split,
        "choice": _plain(questions.choice),
        "bases": _plain(questions.bases),
    }
    found = _in_fresh_process(job, advance)
    if "bases" in found:
        raise BetterBaseError(**found["error"], bases=_base_choice(found["bases"]))
    if "error" in found:
        raise (GainLostError if found["gain_lost"] else MergeError)(**found["error"])
    tensors = found["tensors"] | {"unchanged": tuple(found["tensors"]["unchanged"])}
    seconds = round(time.monotonic() - started, 2)
    logits = _logit_report(found["logits"]) if found["logits"] else None
    return VerifyReport(TensorReport(**tensors), logits, found["not_compared"], found["files"], seconds)


def examine(
    inputs: Inputs, merged: Path, questions: Questions, advance: Advance = lambda rows: None
) -> VerifyReport:
    """``verify`` in this process: sees whatever an engine has patched here."""
    if not questions.rows:
        raise MergeError("there is no row to compare answers on", remedy="hand over at least one")
    started = time.monotonic()
    check_sidecars(inputs, merged)
    tensors = check_tensors(inputs, merged)
    logits, why_not = None, ""
    try:
        logits = compare(inputs, merged, questions, advance)
    except NoRoomError as error:
        why_not = error.what
    else:
        _judge(logits, merged, inputs.strict)
    files = digests(merged)
    return VerifyReport(tensors, logits, why_not, files, round(time.monotonic() - started, 2))


def _judge(logits: LogitReport, merged: Path, strict: bool) -> None:
    off = logits.written.relative if logits.written else None
    if off is not None and not off <= TOLERANCE:  # not-a-number must fail, too
        raise MergeError(
            f"the merged weights answer differently from base + adapter: {off:.3g} of what the adapter "
            f"changes (limit {TOLERANCE})",
            where=str(merged),
            remedy="merge again; if it stays, the adapter and the base do not belong together",
        )
    if strict and logits.gain and logits.gain.low > 0 and logits.lost and not logits.lost.low <= LOST:
        raise GainLostError(
            f"at least {logits.lost.low:.1%} of the gain is lost on {logits.rows} {logits.split} rows "
            f"(limit {LOST:.0%})",
            where=str(merged),
            remedy="merging.dtype=float32 is exact; if it stays, adapter and base do not belong together",
        )


def _plain(rows: Sequence[Row]) -> list[list[list[int]]]:
    return [[list(map(int, ids)), list(map(int, labels))] for ids, labels in rows]


def _logit_report(found: dict[str, Any]) -> LogitReport:
    kinds: dict[type[Any], tuple[str, ...]] = {
        LogitDistance: ("written", "rounding", "quantised"),
        Interval: ("gain", "lost", "quantised_lost"),
        Choice: ("choice",),
    }
    parts = {
        name: kind(**found[name]) if found[name] else None for kind, names in kinds.items() for name in names
    }
    bases = _base_choice(found["bases"]) if found["bases"] else None
    return LogitReport(**found | parts | {"devices": tuple(found["devices"]), "bases": bases})


def _base_choice(found: dict[str, Any]) -> BaseChoice:
    return BaseChoice(found["rows"], Interval(**found["gained"]), found["gain"])


def _in_fresh_process(job: dict[str, Any], advance: Advance) -> dict[str, Any]:
    """Run this module on ``job``. The process sees no hub and none of the patches that this one carries, and
    ends when this one does, however that ends. The job goes through a pipe: it holds the ids of rows, which a
    killed process would leave in a file."""
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error"}
    found: dict[str, Any] = {}
    with tempfile.TemporaryFile("w+", errors="replace") as errors:  # it has no name: nothing outlives a kill
        with (
            contextlib.suppress(BrokenPipeError),  # it has ended already: its exit code says so
            subprocess.Popen(
                [sys.executable, "-m", "medft.merge.verify"],
                env={**os.environ, **quiet, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.PIPE,  # stays open after the job: it closes when this process ends
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            print(json.dumps(job), file=process.stdin, flush=True)
            for line in process.stdout or ():
                if line.startswith(_STEP):
                    advance(int(line.removeprefix(_STEP)))
                elif line.startswith(_RESULT):
                    found = json.loads(line.removeprefix(_RESULT))
            process.wait()
        if process.returncode or not found:
            errors.seek(0)
            last = (errors.read().strip() or "no message").splitlines()[-1]
            raise MergeError(f"the merged weights could not be loaded: {last}", where=str(job["merged"]))
    return found


def _end_with_parent() -> None:
    """End this process when its standard input is closed."""

    def watch() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _tell(rows: int) -> None:
    _say(_STEP, str(rows))


def _say(kind: str, text: str) -> None:
    sys.stdout.write(f"{kind} {text}\n")
    sys.stdout.flush()


def _work(job: dict[str, Any]) -> dict[str, Any]:
    trained_on = Path(job["trained_on"]) if job["trained_on"] else None
    rows, choice, bases = (
        [(ids, labels) for ids, labels in job[name]] for name in ("rows", "choice", "bases")
    )
    base, adapter, merged = (Path(job[name]) for name in ("base", "adapter", "merged"))
    merging = MergingConfig(**job["merging"])
    stops = tuple(job["stop_ids"])
    try:
        inputs = Inputs(base, adapter, stops, trained_on, merging, job["seed"], job["strict"])
        return asdict(examine(inputs, merged, Questions(rows, job["split"], choice, bases), _tell))
    except MergeError as error:
        told = {"what": error.what, "where": error.where, "remedy": error.remedy}
        if isinstance(error, BetterBaseError):
            return {"error": told, "bases": asdict(error.bases)}
        return {"error": told, "gain_lost": isinstance(error, GainLostError)}


if __name__ == "__main__":
    asked = json.loads(sys.stdin.readline())
    _end_with_parent()
    _say(_RESULT, json.dumps(_work(asked), allow_nan=False))
