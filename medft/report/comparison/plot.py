"""The plot of a comparison: training losses raw (faint) and smoothed (clear), validation as points."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medft.report.comparison.lines import Pen, draw_band, draw_run
from medft.report.comparison.result import Axis, Comparison, Metric, Panel
from medft.report.series import smoothing_words
from medft.report.style import (
    GRAY,
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from medft.report.series import Floats

MOST_COLORED = 14
LONGEST_LABEL = 44
UNITS: dict[Metric, str] = {
    "bits_per_byte": "bits per byte of the answers", "loss": "loss (nats per token)",
}  # fmt: skip
X_NAMES: dict[Axis, str] = {"step": "optimizer step", "tokens": "tokens seen", "seconds": "training time (s)"}
GRAY_PEN = Pen("#c4c4c4", "-", faint=0, width=0.8, marker=0)
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
            for index in panel.lines[:MOST_COLORED]
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
    return "  ".join(part for part in (name, str(line.final or ""), f"[{line.letter}]" * several) if part)


def _height(panel: Panel, panels: int) -> float:
    least = 3.5 if panels == 1 else 2.5
    return max(least, 0.2 * min(len(panel.lines), MOST_COLORED) + 1.2) + 0.25 * bool(panel.note)


def _above(comparison: Comparison) -> list[tuple[str, str]]:
    return [(line, WARNING) for warning in comparison.warnings for line in textwrap.wrap(warning, 125)]


def _below(comparison: Comparison) -> list[tuple[str, str]]:
    said = f"Faint: every logged step. Clear: {_smoothing(comparison)}."
    if any(line.final for line in comparison.lines):
        said += " Points: validation. Numbers: last validation."
    if any(line.group.repeated for line in comparison.lines):
        said += " Bands and bars: mean ± sd over seeds."
    if any(len(panel.lines) > MOST_COLORED for panel in comparison.panels):
        said += f" The {MOST_COLORED} best are in color, the others smoothed in gray; all are in the table."
    texts = [said, *_verdicts(comparison), *comparison.notes]
    return [(line, GRAY) for text in texts for line in textwrap.wrap(text, 140)]


def _verdicts(comparison: Comparison, most: int = 3) -> list[str]:
    if not comparison.pairs:
        return []
    shown = [f"{comparison.names(p)}: {p.verdict} (p = {p.p:.2g})" for p in comparison.pairs[:most]]
    rest = len(comparison.pairs) - len(shown)
    more = f"; {rest} more pairs in the table" if rest > 0 else ""
    return [f"Welch's t-test over seeds, Holm-corrected: {'; '.join(shown)}{more}."]


def _smoothing(comparison: Comparison) -> str:
    counts = sorted({len(subject.curve.split("train")) for subject in comparison.subjects})
    return smoothing_words(counts[0]) if len(counts) == 1 else "local linear regression (LOWESS)"


def _draw_panel(axes: Axes, comparison: Comparison, panel: Panel, labels: dict[int, str]) -> None:
    raw: list[Floats] = []
    must_show: list[tuple[Floats, Floats]] = []
    ends: list[tuple[float, float, str, str]] = []
    for place, index in reversed(list(enumerate(panel.lines))):
        pen = Pen(*line_style(place), faint=_faint(len(panel.lines))) if place < MOST_COLORED else GRAY_PEN
        runs = [run for run in comparison.members(comparison.lines[index]) if run.curve.has(comparison.x)]
        if not runs:
            continue
        drawn = (draw_band if len(runs) > 1 else draw_run)(axes, runs, comparison.x, panel.metric, pen)
        raw.append(drawn.raw)
        must_show.extend(drawn.lines)
        if place < MOST_COLORED and (end := drawn.end):
            ends.append((*end, labels[index], pen.color))
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
    if x == "step":
        axes.locator_params(axis="x", integer=True)
    axes.set_ylabel(UNITS[panel.metric])
    axes.margins(x=0.012)
    if x == "tokens":
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if panel.note:
        axes.set_title(panel.note, loc="left", size=8.5, color=WARNING if "not rank" in panel.note else GRAY)
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
