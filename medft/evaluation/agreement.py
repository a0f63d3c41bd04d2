"""Agreement of raters beyond chance: Krippendorff's alpha, for any number of raters and missing votes."""

from __future__ import annotations

import itertools
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


def interval(clusters: Sequence[Sequence[Sequence[str]]], seed: int) -> tuple[float, float] | None:
    """The 95% percentile interval of alpha over resampled clusters; None where it cannot be estimated.

    Args:
        clusters: the votes on items that are no independent evidence, such as two answers to one question.
        seed: of the resamples.
    """
    rated = [part for part in ([unit for unit in part if len(unit) > 1] for part in clusters) if part]
    rng = random.Random(seed)  # noqa: S311
    some = (rng.choices(rated, k=len(rated)) for _ in range(RESAMPLES)) if rated else ()
    drawn = (alpha([*itertools.chain(*parts)]) for parts in some)
    found = sorted(value for value in drawn if value is not None)
    if len(found) < RESAMPLES / 2:
        return None
    return found[round(0.025 * (len(found) - 1))], found[round(0.975 * (len(found) - 1))]
