"""95% intervals of one system's figure: of a proportion, and of a mean or ratio whose values may be skewed.

Their coverage, simulated, is in docs/evaluation.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medft.evaluation.units import Floats, Units
from medft.report.verdicts import ALPHA

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FEWEST = 5
"""Units below which the interval of a mean would say nothing."""
SKEWED = 10
"""Below this many units for each unit of squared skewness, an interval may cover too little."""


def proportion(hits: float, items: int, units: Units) -> tuple[float, float]:
    """The exact interval of a proportion (Clopper & Pearson 1934); where the units are clusters, of as many
    items as would have the same variance without them (Korn & Graubard, Survey Methodology 24, 193, 1998).

    Wilson's interval is shorter, but covers .84 to .93 of small shares at 20 to 100 items.
    """
    from statsmodels.stats.proportion import proportion_confint

    share, effective = hits / items, float(items)
    if units.count < items:
        effective = _effective(share, items, units)
    low, high = proportion_confint(share * effective, effective, alpha=ALPHA, method="beta")
    return max(float(low), 0.0), min(float(high), 1.0)


def _effective(share: float, items: int, units: Units) -> float:
    from scipy.stats import t

    variance = float((units.residuals() ** 2).sum())
    if units.count < 2 or variance == 0:  # all alike: each unit counts once, however many items it has
        return float(units.count)
    freedom = float(t.ppf(1 - ALPHA / 2, items - 1) / t.ppf(1 - ALPHA / 2, units.count - 1)) ** 2
    return min(share * (1 - share) / variance * freedom, float(items))


def ratio(units: Units) -> tuple[Floats, Floats]:
    """The ends of Hall's interval of a mean or ratio, from Student's t transformed by the values' skewness
    (Hall, J. R. Stat. Soc. B 54, 221, 1992); NaN where all values are equal, or fewer than ``FEWEST``.

    Vectorised: any leading axes of the units stay.
    """
    import numpy as np
    from scipy.stats import t

    residuals, n = units.residuals(), units.count
    error = np.sqrt((residuals**2).sum(-1))
    if n < FEWEST:
        return np.full_like(error, np.nan), np.full_like(error, np.nan)
    quantile = float(t.ppf(1 - ALPHA / 2, n - 1))
    spread = np.where(error > 0, error, np.nan)
    gamma = skewness(residuals)
    return (
        units.ratio - spread * _back(quantile, gamma, n),
        units.ratio - spread * _back(-quantile, gamma, n),
    )


def p_of_zero(units: Units) -> Floats:
    """The two-sided p-value of a mean or ratio of 0 by the same transformation: below 0.05 exactly where
    ``ratio`` leaves out 0; 0 where all values are one and the same other number."""
    import numpy as np
    from scipy.stats import t

    residuals, n = units.residuals(), units.count
    error = np.sqrt((residuals**2).sum(-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = units.ratio / error
        a = skewness(residuals) / n**0.5
        bent = plain + a * (plain**2 / 3 + 1 / 6) + a**2 * plain**3 / 27
    return np.where(error > 0, 2 * t.sf(np.abs(bent), max(n - 1, 1)), 0.0)


def skewness(residuals: Floats) -> Floats:
    """Third standardised moment along the last axis; 0 where all are equal."""
    import numpy as np

    centered = residuals - residuals.mean(-1, keepdims=True)
    square = (centered**2).mean(-1)
    found: Floats = (centered**3).mean(-1) / np.where(square > 0, square, np.inf) ** 1.5
    return found


def is_skewed(residuals: Floats) -> bool:
    """Whether the values are so skewed, for their number, that an interval may cover less than it says."""
    return bool(residuals.shape[-1] < SKEWED * float(skewness(residuals)) ** 2)


def _back(quantile: float, gamma: Floats, n: int) -> Floats:
    """The inverse of g(t) = t + a (t^2 / 3 + 1 / 6) + a^2 t^3 / 27 with a = skewness / sqrt(n)."""
    import numpy as np

    a: npt.NDArray[np.float64] = np.where(np.abs(gamma) < 1e-6, 1e-6, gamma) / n**0.5
    found: Floats = 3 / a * (np.cbrt(1 + a * (quantile - a / 6)) - 1)
    return found
