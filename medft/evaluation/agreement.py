"""Agreement of raters beyond chance: Krippendorff's alpha, for any number of raters and missing votes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

RESAMPLES = 1_000


def alpha(votes: Sequence[Sequence[str]]) -> float | None:
    """Krippendorff's alpha for nominal votes (Krippendorff 2011, "Computing Krippendorff's alpha"): 1 is
    agreement, 0 what chance gives. None where no item has two votes, or all votes are the same.

    Args:
        votes: per item, the votes of those who rated it.
    """
    units = [Counter(unit) for unit in votes if len(unit) > 1]
    n = sum(unit.total() for unit in units)
    values = sum(units, Counter[str]())
    expected = sum(c * (n - c) for c in values.values()) / (n - 1) if n > 1 else 0.0
    if not expected:
        return None
    observed = sum(sum(c * (unit.total() - c) for c in unit.values()) / (unit.total() - 1) for unit in units)
    return 1 - observed / expected


def interval(votes: Sequence[Sequence[str]], seed: int) -> tuple[float, float] | None:
    """The 95% percentile interval of alpha over resampled items; None where it cannot be estimated."""
    rated = [unit for unit in votes if len(unit) > 1]
    rng = random.Random(seed)  # noqa: S311
    drawn = (alpha(rng.choices(rated, k=len(rated))) for _ in range(RESAMPLES)) if rated else ()
    found = sorted(value for value in drawn if value is not None)
    if len(found) < RESAMPLES / 2:
        return None
    return found[round(0.025 * (len(found) - 1))], found[round(0.975 * (len(found) - 1))]
