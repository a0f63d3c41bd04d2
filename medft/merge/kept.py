"""What a merge keeps of an adapter's gain: ratios of sums over held-out rows, with paired 95% intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Interval:
    """A ratio with its 95% interval over rows."""

    value: float
    """The ratio of the sums."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> Interval | None:
    """Sum of ``parts`` by sum of ``wholes``, which belong together row by row: the linearized variance of a
    ratio estimate (Cochran, Sampling Techniques, section 6.4) with Student's t; None under two rows, or where
    the wholes sum up to nothing."""
    import numpy as np
    from scipy.stats import t

    above, below = np.asarray(parts, dtype=float), np.asarray(wholes, dtype=float)
    rows = len(above)
    if rows < 2 or not below.sum():
        return None
    value = float(above.sum() / below.sum())
    spread = float(np.std(above - value * below, ddof=1) / np.sqrt(rows) / abs(below.mean()))
    half = spread * float(t.ppf(0.975, rows - 1))
    return Interval(value, value - half, value + half)


def kept(report: Mapping[str, Any]) -> str:
    """What the record of a merge says of the gain, in one sentence."""
    logits = report["logits"]
    if logits is None:
        return f"answers not compared, {report['not_compared']} ({_method(report)})"
    gain, lost = logits["gain"], logits["lost"]
    where = f"on {logits['rows']} {logits['split']} rows"
    if not gain or not lost or gain["low"] <= 0:
        words = f"the adapter shows no gain {where} that merging could lose"
    else:
        low, high = 1 - lost["high"], 1 - lost["low"]
        words = f"merged keeps {1 - lost['value']:.1%} of the gain [{low:.1%}, {high:.1%}] {where}"
    words += f" ({_method(report)})"
    if trained := logits["quantised_lost"]:
        words += f"; on the 4-bit base the adapter has {1 - trained['value']:.1%} of it"
    if bases := logits.get("bases"):
        words += f"; {_bases(report, bases)}"
    return words


def _bases(report: Mapping[str, Any], choice: Mapping[str, Any]) -> str:
    gained = choice["gained"]
    taken = "16-bit" if report["base_kind"] == "16-bit" else "4-bit"
    better = "4-bit" if gained["value"] > 0 else "16-bit"
    ends = sorted(abs(gained[end]) for end in ("low", "high"))
    by = f"{abs(gained['value']):.3f} nats per token"
    by += f" ({abs(gained['value']) / choice['gain']:.1%} of its gain)" if choice["gain"] > 0 else ""
    if gained["low"] > 0 or gained["high"] < 0:
        by += f" [{ends[0]:.3f}, {ends[1]:.3f}]"
    else:
        by += ", which may be chance,"
    where = f"on {choice['rows']} validation rows"
    return f"the {taken} base was taken: the adapter is better on the {better} one by {by} {where}"


def _method(report: Mapping[str, Any]) -> str:
    how = "stochastic rounding" if report["rounding"] == "stochastic" else "rounded to nearest"
    words = f"{report['dtype']}, {how}"
    if choice := (report["logits"] or {}).get("choice"):
        other = choice["lost_to_nearest"]
        words += f", closer than rounding to nearest on {choice['rows']} validation rows"
        words += f", where that loses {other:.1%}" if other is not None else ""
    return words
