"""The figure of a comparison: training losses raw (faint) and smoothed (clear), validation as points.

Owns the drawing alone; what may share an axis is decided in comparison.py, looks stand in style.py.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft.report.comparison import UNITS, Axis, Comparison, Metric, Panel
from medft.report.repeats import Difference, Spread
from medft.report.series import smooth, smoothing_words, thin
from medft.report.style import (
    GREY,
    RC,
    WARNING,
    WIDTH,
    end_labels,
    fit_limits,
    footer,
    headings,
    line_style,
    save,
    text_width,
)
from medft.report.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from medft.report.series import Floats

MOST_COLOURED = 14
LONGEST_LABEL = 44
X_NAMES: dict[Axis, str] = {"step": "optimiser step", "tokens": "tokens seen", "seconds": "training time (s)"}
REST = {"color": "#b5b5b5", "linestyle": "-"}
GRID_POINTS = 400
START, FLATTENED = 0.1, 2.5


def draw(comparison: Comparison, title: str, paths: Sequence[Path]) -> None:
    """Draw the comparison and write it to each of ``paths`` (.png, .svg)."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(RC):
        heights = [_height(panel, len(comparison.panels)) for panel in comparison.panels]
        above, below = _above(comparison), _below(comparison)
        figure = Figure(figsize=(WIDTH, sum(heights) + 0.8 + 0.17 * (len(above) + len(below))))
        top, bottom = headings(figure, title, above), footer(figure, below)
        labels = {
            index: label_text(comparison, index)
            for panel in comparison.panels
            for index in panel.lines[:MOST_COLOURED]
        }
        margin = min(0.42, (text_width(figure, list(labels.values())) + 0.45) / WIDTH)
        inch, share = 1 / figure.get_figheight(), (top - bottom) / sum(heights)
        for panel, height in zip(comparison.panels, heights, strict=True):
            top -= share * height
            tall = share * height - (0.5 + 0.25 * bool(panel.note)) * inch
            axes = figure.add_axes((0.085, top + 0.5 * inch, 1 - 0.085 - margin, tall))
            _draw_panel(axes, comparison, panel, labels)
        for path in paths:
            save(figure, path)


def label_text(comparison: Comparison, index: int) -> str:
    """Label at the end of a line: name, final value with its spread, and in brackets the letter of what it
    was evaluated on where that is not the same for all."""
    line = comparison.lines[index]
    name = line.label if len(line.label) <= LONGEST_LABEL else line.label[: LONGEST_LABEL - 1] + "…"
    several = len({other.letter for other in comparison.lines}) > 1
    return "  ".join(part for part in (name, spread_text(line.final), f"[{line.letter}]" * several) if part)


def spread_text(value: Spread | None) -> str:
    """``1.034``, or ``1.034 ± 0.012 (n=3)``; empty when unknown."""
    if value is None:
        return ""
    return f"{value.mean:.3f}" if value.sd is None else f"{value.mean:.3f} ± {value.sd:.3f} (n={value.n})"


def _height(panel: Panel, panels: int) -> float:
    least = 3.5 if panels == 1 else 2.5
    return max(least, 0.2 * min(len(panel.lines), MOST_COLOURED) + 1.2) + 0.25 * bool(panel.note)


def _above(comparison: Comparison) -> list[tuple[str, str]]:
    return [(line, WARNING) for warning in comparison.warnings for line in textwrap.wrap(warning, 125)]


def _below(comparison: Comparison) -> list[tuple[str, str]]:
    said = f"Faint: every logged step. Clear: {_smoothing(comparison)}."
    if any(line.final for line in comparison.lines):
        said += " Points: validation. Numbers: last validation."
    if any(line.group.repeated for line in comparison.lines):
        said += " Bands and bars: mean ± sd over seeds."
    if any(len(panel.lines) > MOST_COLOURED for panel in comparison.panels):
        said += f" The {MOST_COLOURED} best are in colour, the others in grey; all are in the table."
    texts = [said, *_verdicts(comparison), *comparison.notes]
    return [(line, GREY) for text in texts for line in textwrap.wrap(text, 140)]


def _verdicts(comparison: Comparison, most: int = 3) -> list[str]:
    if not comparison.pairs:
        return []
    shown = [f"{pair_name(comparison, p)}: {p.verdict} (p = {p.p:.2g})" for p in comparison.pairs[:most]]
    rest = len(comparison.pairs) - len(shown)
    more = f"; {rest} more pairs in the table" if rest > 0 else ""
    return [f"Welch's t-test over seeds, Holm-corrected: {'; '.join(shown)}{more}."]


def pair_name(comparison: Comparison, pair: Difference) -> str:
    """``mistral vs gemma``."""
    return f"{comparison.lines[pair.first].label} vs {comparison.lines[pair.second].label}"


def _smoothing(comparison: Comparison) -> str:
    counts = sorted({len(subject.curve.split("train")) for subject in comparison.subjects})
    return smoothing_words(counts[0]) if len(counts) == 1 else "local linear regression (LOWESS)"


def _draw_panel(axes: Axes, comparison: Comparison, panel: Panel, labels: dict[int, str]) -> None:
    raw: list[Floats] = []
    must_show: list[tuple[Floats, Floats]] = []
    ends: list[tuple[float, float, str, str]] = []
    for place, index in reversed(list(enumerate(panel.lines))):
        coloured = place < MOST_COLOURED
        style = line_style(place) if coloured else REST
        runs = [run for run in comparison.members(comparison.lines[index]) if run.curve.has(comparison.x)]
        drawer = _draw_band if len(runs) > 1 else _draw_run
        if not runs:
            continue
        noise, shown, end = drawer(
            axes, runs, comparison.x, panel.metric, style, faint=_faint(len(panel.lines))
        )
        raw.append(noise)
        must_show.extend(shown)
        if coloured and end:
            ends.append((*end, labels[index], style["color"]))
    _finish(axes, comparison.x, panel, raw, must_show)
    end_labels(axes, ends[::-1])


def _faint(lines: int) -> float:
    return float(max(0.1, 0.4 / lines**0.5))


def _finish(
    axes: Axes, x: Axis, panel: Panel, raw: list[Floats], must_show: list[tuple[Floats, Floats]]
) -> None:
    import numpy as np
    from matplotlib.ticker import EngFormatter

    axes.set_xlabel(X_NAMES[x], loc="right")
    axes.set_ylabel(UNITS[panel.metric])
    axes.margins(x=0.012)
    if x == "tokens":
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if panel.note:
        axes.set_title(panel.note, loc="left", size=8.5, color=WARNING if "not rank" in panel.note else GREY)
    fit_limits(axes, np.concatenate(raw) if raw else np.array([]), _worth_showing(must_show))


def _worth_showing(lines: Sequence[tuple[Floats, Floats]]) -> Floats:
    """All values of the lines, or those after the first tenth of the axis where the start would flatten the
    rest."""
    import numpy as np

    at = np.concatenate([at for at, _ in lines]) if lines else np.array([])
    values = np.concatenate([values for _, values in lines]) if lines else np.array([])
    if len(lines) < 2 or not len(values):
        return values
    later = values[at > at.min() + START * np.ptp(at)]
    return later if len(later) and np.ptp(values) > FLATTENED * np.ptp(later) else values


Drawn = tuple["Floats", list[tuple["Floats", "Floats"]], tuple[float, float] | None]


def _draw_run(
    axes: Axes, runs: Sequence[Subject], x: Axis, metric: Metric, style: dict[str, Any], faint: float
) -> Drawn:
    """One run: raw, smoothed, validation points. Returns raw values, values that must be seen, and the
    line's end."""
    curve = runs[0].curve
    at, raw = curve.points("train", x, metric)
    smoothed = smooth(at, raw)
    if smoothed is not None:
        axes.plot(*thin(at, raw), color=style["color"], linewidth=0.6, alpha=faint, zorder=1)
    line = raw if smoothed is None else smoothed
    axes.plot(*thin(at, line), **style, linewidth=1.8, zorder=3)
    held_at, held = curve.points("validation", x, metric)
    axes.plot(
        held_at,
        held,
        "o",
        color=style["color"],
        markersize=4.6,
        markeredgecolor="white",
        markeredgewidth=0.8,
        zorder=4,
    )
    ends = [(float(xs[-1]), float(ys[-1])) for xs, ys in ((at, line), (held_at, held)) if len(ys)]
    return raw, [(at, line), (held_at, held)], ends[0] if ends else None


def _draw_band(
    axes: Axes, runs: Sequence[Subject], x: Axis, metric: Metric, style: dict[str, Any], faint: float
) -> Drawn:
    """Several seeds: mean of their smoothed curves, a band of one standard deviation, validation with error
    bars."""
    import numpy as np

    at, mean, sd = _mean_curve([run.curve.points("train", x, metric) for run in runs])
    axes.fill_between(
        at, mean - sd, mean + sd, color=style["color"], alpha=max(0.12, faint * 0.7), linewidth=0, zorder=1
    )
    axes.plot(at, mean, **style, linewidth=1.8, zorder=3)
    held_at, held, held_sd = _mean_points([run.curve.points("validation", x, metric) for run in runs])
    axes.errorbar(
        held_at, held, yerr=held_sd, fmt="o", color=style["color"], markersize=4.6, markeredgecolor="white",
        markeredgewidth=0.8, elinewidth=1, capsize=2, zorder=4,
    )  # fmt: skip
    ends = [(float(xs[-1]), float(ys[-1])) for xs, ys in ((at, mean), (held_at, held)) if len(ys)]
    return np.array([]), [(at, mean - sd), (at, mean + sd), (held_at, held)], ends[0] if ends else None


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
