"""Whether a repeated run reproduced the first: its data, versions, losses and adapter."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medft.report.blocks import Table
from medft.runs import RunDir
from medft.runs.record import FINGERPRINTS, RunRecord
from medft.runs.values import mapping, number, text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

_SHOWN = 16  # characters of a fingerprint


@dataclass(frozen=True, slots=True)
class Agreement:
    """One thing that was compared, and whether it came out the same."""

    what: str
    """Its name."""
    before: str
    """In the first run."""
    now: str
    """In the second."""
    agrees: bool
    """Whether they are taken for the same."""
    counts: bool = True
    """Whether a difference makes the replay one that does not agree."""


def compare_replay(
    first: RunDir, second: RunDir, lines: int, tolerance: float, adapter_tolerance: float = 0.0
) -> list[Agreement]:
    """What of ``second`` agrees with ``first``.

    Args:
        first: a finished run.
        second: the same settings, run again.
        lines: how many of the first lines of loss.csv are compared one by one.
        tolerance: the largest relative difference of two losses that agree.
        adapter_tolerance: the same of the adapters' weights, as the norm of their difference.
    """
    before, now = RunRecord(first), RunRecord(second)
    return [
        *_prints(before.fingerprints, now.fingerprints),
        *_versions(before, now),
        *_losses(first, second, lines, tolerance),
        *_finals(before, now, tolerance),
        *_adapters(first, second, adapter_tolerance),
    ]


def agree(findings: list[Agreement]) -> bool:
    """Whether everything agrees that counts."""
    return all(finding.agrees for finding in findings if finding.counts)


def as_table(findings: list[Agreement]) -> Table:
    """The findings, to be shown."""
    words = {True: "yes", False: "NO"}
    rows = [
        (f.what, f.before, f.now, words[f.agrees] if f.counts or f.agrees else "no, not counted")
        for f in findings
    ]
    return Table(("what", "then", "now", "agrees"), tuple(rows))


def _prints(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Agreement]:
    for name in FINGERPRINTS:
        yield _same(f"{name} fingerprint", before.get(name), now.get(name))


def _versions(first: RunRecord, second: RunRecord) -> Iterator[Agreement]:
    before, now = (record.demand(dict, "environment", "packages") for record in (first, second))
    changed = [name for name in before if before[name] != now.get(name)]
    if not changed:
        yield Agreement("versions", f"{len(before)} packages", "the same", True)
    for name in changed:
        yield _same(name, before[name], now.get(name))
    yield _same("python", first.environment.get("python"), second.environment.get("python"))
    commits = [text(record.environment.get("commit"))[:10] for record in (first, second)]
    yield _same("commit", commits[0], commits[1], counts=False)
    yield _same("hardware", _hardware(first), _hardware(second), counts=False)


def _hardware(record: RunRecord) -> str:
    cores = mapping(record.environment, "machine").get("cpu_cores")
    return ", ".join(record.gpus) or f"{text(cores) or 'unknown'} CPU cores"


def _losses(first: RunDir, second: RunDir, lines: int, tolerance: float) -> Iterator[Agreement]:
    before, now = (_rows(run)[:lines] for run in (first, second))
    places = [[(row["step"], row["split"]) for row in rows] for rows in (before, now)]
    if places[0] != places[1]:
        yield Agreement("lines of loss.csv", _span(before), _span(now), False)
        return
    pairs = [(float(a["loss"]), float(b["loss"])) for a, b in zip(before, now, strict=True)]
    worst = max(pairs, key=_difference, default=(0.0, 0.0))
    difference = _difference(worst)
    yield Agreement(
        f"first {len(pairs)} losses",
        f"{worst[0]:.6f}",
        f"{worst[1]:.6f}, {_within(difference)}",
        difference <= tolerance,
    )


_FINAL = ("train_loss", "validation_loss", "test_loss", "bits_per_byte")


def _finals(before: RunRecord, now: RunRecord, tolerance: float) -> Iterator[Agreement]:
    """The losses that the summaries end with."""
    for key in _FINAL:
        pair = number(before.summary, key), number(now.summary, key)
        name = key.replace("_", " ")
        if pair[0] is not None and pair[1] is not None:
            difference = _difference((pair[0], pair[1]))
            shown = f"{pair[1]:.6f}, {_within(difference)}"
            yield Agreement(name, f"{pair[0]:.6f}", shown, difference <= tolerance)
        elif pair != (None, None):
            yield _same(name, *pair)


def _adapters(first: RunDir, second: RunDir, tolerance: float) -> Iterator[Agreement]:
    """The trained weights: the size of their difference against their own."""
    files = [run.adapter / "adapter_model.safetensors" for run in (first, second)]
    there = ["there" if file.is_file() else "missing" for file in files]
    if "missing" in there:
        yield _same("adapter", there[0], there[1])
        return
    before, now = map(_weights, files)
    if {name: part.shape for name, part in before.items()} != {n: p.shape for n, p in now.items()}:
        yield Agreement("adapter", f"{len(before)} tensors", f"{len(now)} of other names or shapes", False)
        return
    apart = math.sqrt(sum(float(((now[name] - part) ** 2).sum()) for name, part in before.items()))
    size = math.sqrt(sum(float((part**2).sum()) for part in before.values()))
    difference = apart / size if size else math.inf if apart else 0.0
    yield Agreement("adapter", f"{len(before)} tensors", _within(difference), difference <= tolerance)


def _weights(file: Path) -> dict[str, Floats]:
    import torch
    from safetensors.torch import load_file

    return {name: part.to(torch.float64).numpy() for name, part in load_file(file).items()}


def _within(difference: float) -> str:
    return "bit for bit" if difference == 0 else f"within {difference:.1e}"


def _rows(run: RunDir) -> list[dict[str, str]]:
    with run.loss_csv.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _difference(pair: tuple[float, float]) -> float:
    before, now = pair
    if before == now:
        return 0.0
    return abs(now - before) / abs(before) if before and math.isfinite(before - now) else math.inf


def _span(rows: list[dict[str, str]]) -> str:
    return f"{len(rows)}, to step {rows[-1]['step']}" if rows else "none"


def _same(what: str, before: object, now: object, counts: bool = True) -> Agreement:
    return Agreement(what, _short(before), _short(now), before == now, counts)


def _short(value: object) -> str:
    return str(value or "-")[:_SHOWN]
