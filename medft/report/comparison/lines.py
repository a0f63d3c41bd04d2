"""Draws one line of a comparison: a run, or the mean and spread of several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from medft.report.series import smooth, thin
from medft.report.style import Dashes
from medft.report.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from medft.report.series import Floats

GRID_POINTS = 400


class Marker(TypedDict):
    """Matplotlib's keywords for validation values."""

    color: str
    markersize: float
    markeredgecolor: str
    markeredgewidth: float


@dataclass(frozen=True, slots=True)
class Pen:
    """How a line is drawn."""

    color: str
    """Color of everything that belongs to the line."""
    linestyle: Dashes
    """Dashes of the smoothed line."""
    faint: float
    """Opacity of the raw values; 0 leaves them out."""
    width: float = 1.8
    """Width of the smoothed line, in points."""
    marker: float = 4.6
    """Size of validation values, in points; 0 leaves them out."""

    def points(self) -> Marker:
        """Keywords for validation values."""
        return {
            "color": self.color,
            "markersize": self.marker,
            "markeredgecolor": "white",
            "markeredgewidth": 0.8,
        }


@dataclass(frozen=True, slots=True)
class Drawn:
    """What stands on the axes now."""

    raw: Floats
    """Raw values that were drawn."""
    lines: list[tuple[Floats, Floats]]
    """Smoothed lines and validation points, (x, y) each."""

    @property
    def end(self) -> tuple[float, float] | None:
        """Where the line ends, for its label; None for an empty one."""
        return next(((float(x[-1]), float(y[-1])) for x, y in self.lines if len(y)), None)


def draw_run(axes: Axes, runs: Sequence[Subject], x: str, metric: str, pen: Pen) -> Drawn:
    """Draw the first of ``runs``: raw, smoothed, validation points."""
    curve = runs[0].curve
    at, raw = curve.points("train", x, metric)
    smoothed = smooth(at, raw)
    with_raw = pen.faint > 0 and smoothed is not None
    if with_raw:
        axes.plot(*thin(at, raw), color=pen.color, linewidth=0.6, alpha=pen.faint, zorder=1)
    line = raw if smoothed is None else smoothed
    axes.plot(*thin(at, line), color=pen.color, linestyle=pen.linestyle, linewidth=pen.width, zorder=3)
    held = curve.points("validation", x, metric)
    if pen.marker:
        axes.plot(*held, "o", **pen.points(), zorder=4)
    return Drawn(raw[: len(raw) * with_raw], [(at, line), held])


def draw_band(axes: Axes, runs: Sequence[Subject], x: str, metric: str, pen: Pen) -> Drawn:
    """Draw several seeds: mean of the smoothed curves, a band of one standard deviation, validation with
    bars."""
    import numpy as np

    at, mean, sd = _mean_curve([run.curve.points("train", x, metric) for run in runs])
    band = max(0.12, pen.faint * 0.7) if pen.faint else 0.0
    axes.fill_between(at, mean - sd, mean + sd, color=pen.color, alpha=band, linewidth=0, zorder=1)
    axes.plot(at, mean, color=pen.color, linestyle=pen.linestyle, linewidth=pen.width, zorder=3)
    held_at, held, held_sd = _mean_points([run.curve.points("validation", x, metric) for run in runs])
    if pen.marker:
        axes.errorbar(held_at, held, held_sd, fmt="o", **pen.points(), elinewidth=1, capsize=2, zorder=4)
    return Drawn(np.array([]), [(at, mean), (at, mean - sd), (at, mean + sd), (held_at, held)])


def _mean_curve(curves: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats, Floats]:
    """Mean and standard deviation of smoothed curves on a common grid, where all of them have values."""
    import numpy as np

    full = [(at, values) for at, values in curves if len(at)]
    if not full:
        empty = np.array([])
        return empty, empty, empty
    start, stop = max(at[0] for at, _ in full), min(at[-1] for at, _ in full)
    grid = np.linspace(start, stop, GRID_POINTS)
    lines = np.array(
        [np.interp(grid, at, values if (s := smooth(at, values)) is None else s) for at, values in full]
    )
    return grid, lines.mean(axis=0), _sd(lines)


def _mean_points(points: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats, Floats]:
    """The n-th validation of every seed taken together, as far as all seeds have come."""
    import numpy as np

    count = min((len(at) for at, _ in points), default=0)
    at = np.array([at[:count] for at, _ in points])
    values = np.array([values[:count] for _, values in points])
    return at.mean(axis=0), values.mean(axis=0), _sd(values)


def _sd(values: Floats) -> Floats:
    import numpy as np

    spread: Floats = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1:])
    return spread
