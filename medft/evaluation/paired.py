"""Two systems on the same items: tests of their difference, each with the interval that agrees with it.

Their rates of false alarms, simulated, are in docs/evaluation.md.
"""

from __future__ import annotations

from medft.evaluation import intervals
from medft.evaluation.units import Floats, Units
from medft.report.verdicts import ALPHA

DRAWS = 9_999
POWER = 0.8
SIGN_FLIP = "paired sign-flip permutation and t corrected for skewness"
MCNEMAR = "McNemar, mid-p"
MCNEMAR_EXACT = "McNemar, exact"
NEARLY_ALL = 0.75
"""From this share of items on in which two systems differ, McNemar's test is the exact one."""


def sign_flip(units: Units, seed: int, draws: int = DRAWS) -> tuple[Floats, Floats, Floats]:
    """Whether a mean or ratio of differences is 0: low, high and two-sided p, vectorised over leading axes.

    Two tests must both reject: the permutation test that flips the signs of the units' differences (exact
    for every number of units where the systems are exchangeable; Good 2005, section 3.2), and the t-test
    corrected for skewness (``intervals.ratio``).
    Flipping the units of a subset S gives at least the observed sum exactly where the mean of S is at most
    0, so the order statistics of the means of random subsets are the test's interval (Hartigan, J. Am.
    Stat. Assoc. 64, 1303, 1969); the interval here is the hull of both tests'. It leaves out 0 exactly
    where p < 0.05. NaN ends: too few units, or no spread.
    """
    import numpy as np

    means = _subset_ratios(units, seed, draws)
    fewer = np.minimum((means <= 0).sum(-1), (means >= 0).sum(-1))
    empty = draws - np.isfinite(means).sum(-1)
    p = np.maximum(np.minimum(2 * (1 + empty + fewer) / (draws + 1), 1.0), intervals.p_of_zero(units))
    (low, high), (low_flip, high_flip) = intervals.ratio(units), _ends(means, draws)
    return np.minimum(low, low_flip), np.maximum(high, high_flip), p


def _subset_ratios(units: Units, seed: int, draws: int) -> Floats:
    """The ratio over each of ``draws`` random subsets; NaN for the empty one."""
    import numpy as np

    rng, found = np.random.default_rng(seed), []
    noise = 1e-12 * np.abs(units.numerator).sum(-1, keepdims=True)  # sums that are 0, but for rounding
    block = max(1, 4_000_000 // units.count)
    for start in range(0, draws, block):
        size = (units.count, min(block, draws - start))
        chosen = rng.integers(0, 2, size, dtype=np.uint8).astype(np.float64)
        above, below = units.numerator @ chosen, units.denominator @ chosen
        above = np.where(np.abs(above) <= noise, 0.0, above)
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(above / np.where(below > 0, below, np.nan))
    return np.concatenate(found, axis=-1)


def _ends(means: Floats, draws: int) -> tuple[Floats, Floats]:
    """The outermost subset means that the permutation test does not reject; NaN where it rejects none."""
    import numpy as np

    rank = round((draws + 1) * ALPHA / 2) - 2  # from 0: the empty subset counts on both sides
    order = np.sort(np.where(np.isnan(means), -np.inf, means), -1)
    low = order[..., rank]
    order = np.sort(np.where(np.isnan(means), np.inf, means), -1)
    high = order[..., -1 - rank]
    estimable = np.isfinite(low) & np.isfinite(high)
    return np.where(estimable, low, np.nan), np.where(estimable, high, np.nan)


def mcnemar(gained: Floats, lost: Floats, items: int) -> tuple[Floats, Floats, Floats]:
    """Paired proportions: low, high and two-sided p of their difference, vectorised.

    Tango's score interval (Statistics in Medicine 17, 891, 1998), widened to hold 0 where ``mcnemar_p`` does
    not reject.
    """
    import numpy as np

    gained, lost = np.asarray(gained, dtype=float), np.asarray(lost, dtype=float)
    p = mcnemar_p(gained, lost, items)
    low, high = _tango(gained, lost, items)
    calm = p >= ALPHA
    return np.where(calm, np.minimum(low, 0.0), low), np.where(calm, np.maximum(high, 0.0), high), p


def mcnemar_p(gained: Floats, lost: Floats, items: int) -> Floats:
    """McNemar's test with mid-p (Fagerland, Lydersen & Laake, BMC Med. Res. Methodol. 13:91, 2013).

    Given how many items differ, mid-p's rate of false alarms is up to .077. Over the numbers that may differ
    it averages out, but for truths in which nearly all do: from ``NEARLY_ALL`` on the test is the exact one.
    """
    import numpy as np
    from scipy.stats import binom

    discordant, fewer = gained + lost, np.minimum(gained, lost)
    half = np.where(discordant < NEARLY_ALL * items, binom.pmf(fewer, discordant, 0.5), 0.0)
    found: Floats = np.minimum(2 * binom.cdf(fewer, discordant, 0.5) - half, 1.0)
    return found


def _tango(gained: Floats, lost: Floats, n: int) -> tuple[Floats, Floats]:
    """Where the score statistic of the difference is the normal quantile, by bisection."""
    import numpy as np
    from scipy.stats import norm

    difference, quantile = (gained - lost) / n, float(norm.ppf(1 - ALPHA / 2))
    ends = []
    for side in (-1.0, 1.0):
        inside, outside = difference.copy(), np.full_like(difference, side)
        for _ in range(60):
            middle = (inside + outside) / 2
            beyond = np.abs(_score(middle, gained, lost, n)) > quantile
            inside, outside = np.where(beyond, inside, middle), np.where(beyond, middle, outside)
        ends.append((inside + outside) / 2)
    return ends[0], ends[1]


def _score(difference: Floats, gained: Floats, lost: Floats, n: int) -> Floats:
    """Tango's statistic of a difference that is supposed to be true."""
    import numpy as np

    linear = (2 * n - gained + lost) * difference - gained - lost
    root = np.sqrt(np.maximum(linear**2 + 8 * n * lost * difference * (1 - difference), 0.0))
    share = (root - linear) / (4 * n)  # of the losses, most likely given the difference
    variance = n * (2 * share + difference * (1 - difference))
    found: Floats = (gained - lost - n * difference) / np.sqrt(np.maximum(variance, 1e-300))
    return found


def items_needed(difference: float, error: float, items: int) -> int | None:
    """How many items would show a difference of this size in four of five evaluations (power 0.8, two-sided
    alpha 0.05, normal approximation); None for no difference, or no spread.

    Args:
        difference: what was found. error: its standard error. items: what it was found on.
    """
    import math

    from statsmodels.stats.power import normal_sample_size_one_tail

    if not difference or not error:
        return None
    spread = error * items**0.5
    needed = normal_sample_size_one_tail(difference, POWER, ALPHA / 2, spread, spread)
    return math.ceil(float(needed))


def smallest_difference(items: int, spread: float, tests: int = 1) -> float:
    """The difference that so many items show in four of five evaluations: the inverse of ``items_needed``.

    Args:
        items: independent ones. spread: standard deviation of their differences.
        tests: among which it must stand after correction, at its strictest (Bonferroni).
    """
    from scipy.stats import norm

    quantiles = norm.ppf(1 - ALPHA / 2 / tests) + norm.ppf(POWER)
    return float(quantiles * spread / items**0.5)
