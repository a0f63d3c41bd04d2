"""The style of all plots: size, type, colors, labels at the ends of lines.

Plots are made without pyplot, so that no window system, global backend or
figure registry is touched and drawing inside a training process leaves nothing behind.

Colors are those of Okabe and Ito (jfly.uni-koeln.de/color, 2008), which people with any common
color-vision deficiency tell apart, without its yellow, which white paper swallows. Text is never set in
them: it stays dark.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from medft.report.series import Floats

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333")
Dashes = str | tuple[int, tuple[float, ...]]
DASHES: tuple[Dashes, ...] = ("-", (0, (5, 1.6)), (0, (1.4, 1.2)))
INK, GRAY, RULE, WARNING = "#1a1a1a", "#666666", "#dddddd", "#9a3b00"
WIDTH = 8.4  # inches; prints across a page, and two columns of a paper
LABEL_POINTS = 8.5

FONT = "DejaVu Sans"
RC: dict[str, object] = {
    "font.family": "sans-serif",
    "font.sans-serif": [FONT],
    "font.size": 9.5,
    "axes.edgecolor": GRAY,
    "axes.linewidth": 0.7,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "text.parse_math": False,  # a $ in a name is a $
    "svg.hashsalt": "medft",
    "path.simplify_threshold": 0.2,
}


def line_style(index: int) -> tuple[str, Dashes]:
    """Color and dashes of the ``index``-th line: colors first, then the colors again in dashes."""
    turn, color = divmod(index, len(PALETTE))
    return PALETTE[color], DASHES[turn % len(DASHES)]


def headings(figure: Figure, title: str, lines: Sequence[tuple[str, str]] = ()) -> float:
    """Write a title and small lines of (text, color) below it at the top left.

    Returns:
        the height of the plot, as a fraction, that is left below them.
    """
    inch = 1 / figure.get_figheight()
    y = 1 - 0.14 * inch
    figure.text(0.012, y, title, size=12, weight="bold", va="top")
    y -= 0.26 * inch
    for text, color in lines:
        figure.text(0.012, y, text, size=8.5, color=color, va="top", linespacing=1.35)
        y -= 0.165 * inch * (text.count("\n") + 1)
    return y - 0.1 * inch


def footer(figure: Figure, lines: Sequence[tuple[str, str]]) -> float:
    """Write small lines of (text, color) at the bottom left; returns the fraction of the height they
    take."""
    inch = 1 / figure.get_figheight()
    y = 0.09 * inch
    for text, color in reversed(lines):
        figure.text(0.012, y, text, size=7.5, color=color, va="bottom", linespacing=1.35)
        y += 0.15 * inch * (text.count("\n") + 1)
    return y + 0.04 * inch


def spread_out(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places at least ``gap`` apart and as near as can be (least squares) to the ``wanted`` ones, in their
    order, within ``low`` to ``high`` as far as they fit: isotonic regression on places less their rank
    times the gap.
    """
    import numpy as np
    from scipy.optimize import isotonic_regression

    if not len(wanted):
        return []
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(wanted))
    free = isotonic_regression(np.asarray(wanted, float)[order] - steps).x
    placed = np.empty(len(wanted))
    placed[order] = np.clip(free, low, high - steps[-1]) + steps
    return [float(value) for value in placed]


def end_labels(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Name lines at their right ends: (x, y, text, color) in data units, moved apart, with a thin leader.

    Call it after the limits of the axes are set; labels are in the margin right of the axes.
    """
    low, high = axes.get_ylim()
    points = axes.bbox.height / axes.figure.dpi * 72
    gap = 1.32 * LABEL_POINTS / points
    wanted = [min(max((y - low) / (high - low), 0.0), 1.0) for _, y, _, _ in ends]
    left, right = axes.get_xlim()
    for (x, y, text, color), place in zip(ends, spread_out(wanted, gap, 0.0, 1.0), strict=True):
        start = ((x - left) / (right - left), min(max((y - low) / (high - low), 0.0), 1.0))
        axes.plot(
            [start[0], 1.0, 1.02, 1.028], [start[1], start[1], place, place], transform=axes.transAxes,
            color=color, linewidth=0.7, alpha=0.8, clip_on=False, solid_joinstyle="round",
        )  # fmt: skip
        axes.text(
            1.034, place, text, transform=axes.transAxes, size=LABEL_POINTS, va="center", ha="left", color=INK
        )


def fit_limits(axes: Axes, raw: Floats, must_show: Sequence[float] | Floats) -> None:
    """Limits that show every value of ``must_show`` and the middle 99% of ``raw``.

    What stands outside is counted in the corner of the axes, so that no spike vanishes unsaid.
    """
    import numpy as np

    values = np.asarray(must_show, float)
    values = np.concatenate([values[np.isfinite(values)], _middle(raw, values)])
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())
    pad = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    low, high = low - pad, high + pad
    axes.set_ylim(low, high)
    beyond = raw[(raw < low) | (raw > high)]
    if len(beyond):
        _say_beyond(axes, beyond, high)


def _middle(raw: Floats, shown: Floats) -> list[float]:
    """Ends of the middle 99% of the raw values; not the upper one where it would flatten what must be
    seen."""
    import numpy as np

    if not len(raw):
        return []
    low, high = (float(value) for value in np.nanquantile(raw, [0.005, 0.995]))
    flattens = len(shown) and high - shown.max() > 1.5 * np.ptp(shown)
    return [low] if flattens else [low, high]


def _say_beyond(axes: Axes, beyond: Floats, high: float) -> None:
    reach = f", up to {beyond.max():.3g}" if beyond.max() > high else ""
    axes.text(
        0.995, 0.985, f"{len(beyond)} raw point{'s' * (len(beyond) > 1)} beyond the frame{reach}",
        transform=axes.transAxes, size=7.5, color=GRAY, ha="right", va="top", zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
    )  # fmt: skip


def text_width(figure: Figure, texts: Sequence[str]) -> float:
    """Width in inches of the widest of ``texts`` as a label of ``end_labels``."""
    drawn = [figure.text(0, 0, text, size=LABEL_POINTS) for text in texts]
    with _boxes_unsaid():
        widths = [text.get_window_extent().width / figure.dpi for text in drawn]
    for text in drawn:
        text.remove()
    return float(max(widths, default=0.0))


@contextlib.contextmanager
def _boxes_unsaid() -> Iterator[None]:
    """A box stands for what the font lacks, without a warning: the tables have the words."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def save(figure: Figure, path: Path) -> Path:
    """Write the plot whole or not at all; the suffix (.png, .svg) names the format."""
    aside = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        with _boxes_unsaid():
            figure.savefig(aside, dpi=170, metadata=metadata)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path
