"""Items -> independent units. Items that share a document or a patient are one unit, whose sums stand for
them: errors are then those of clusters (Miller 2024, arXiv 2411.00640, section 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Floats: TypeAlias = "npt.NDArray[np.float64]"
Rows: TypeAlias = "npt.NDArray[np.intp]"


@dataclass(frozen=True, slots=True)
class Units:
    """A weighted mean as a ratio of sums over independent units, which are the last axis of both arrays."""

    numerator: Floats
    """Per unit, the sum of weight times value."""
    denominator: Floats
    """Per unit, the sum of the weights."""

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.numerator.shape[-1])

    @property
    def ratio(self) -> Floats:
        """The weighted mean over all units."""
        value: Floats = self.numerator.sum(-1) / self.denominator.sum(-1)
        return value

    def residuals(self) -> Floats:
        """What each unit adds to the error of the ratio: (numerator - ratio * denominator) / sum of the
        denominators, over sqrt(1 - leverage), so that with equal weights the sum of the squares is the
        squared standard error of a mean (HC2: MacKinnon & White, J. Econometrics 29, 305, 1985)."""
        import numpy as np

        total = self.denominator.sum(-1, keepdims=True)
        plain = (self.numerator - self.ratio[..., None] * self.denominator) / total
        noise = 1e-12 * np.abs(self.numerator / total).max(-1, keepdims=True)
        plain = np.where(np.abs(plain) <= noise, 0.0, plain)  # equal values, but for rounding
        leverage = np.minimum(self.denominator / total, 1 - 1e-9)
        found: Floats = plain / np.sqrt(1 - leverage)
        return found


def members(clusters: Sequence[str] | None, items: int) -> Rows:
    """The number of each item's unit; an item without a cluster ("", or None for all) is one by itself."""
    import numpy as np

    if clusters is None:
        return np.arange(items)
    if len(clusters) != items:
        raise ValueError(f"{items} items and {len(clusters)} clusters")
    known: dict[object, int] = {}
    return np.array([known.setdefault(name or index, len(known)) for index, name in enumerate(clusters)], int)


def gather(
    values: Sequence[float] | Floats, weights: Sequence[float] | None, clusters: Sequence[str] | None
) -> Units:
    """The units of one value per item."""
    import numpy as np

    x = np.asarray(values, dtype=float)
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=float)
    unit = members(clusters, len(x))
    sums = [np.bincount(unit, part).astype(float) for part in (w * x, w)]
    return Units(sums[0], sums[1])
