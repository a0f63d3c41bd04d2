"""The plot of a data set: how long its texts and rows are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from medft.data.examination.statistics import LengthStatistics
from medft.report.style import GRAY, PALETTE, RC, WARNING, WIDTH, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 2
TITLES = {"question": "Question", "context": "Context", "answer": "Answer", "row": "Whole row"}


def draw_lengths(lengths: Mapping[str, LengthStatistics], max_length: int, path: Path) -> Path:
    """Draw one histogram for each of ``lengths``, with ``max_length`` marked in that of the rows.

    Args:
        lengths: by name: question, context, answer (characters) and row (tokens).
        max_length: longest row in tokens that training takes.
        path: file to write, .svg or .png.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    rows = -(-len(lengths) // COLUMNS)
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 2.5 * rows), layout=ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.1))
        grid = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
        for axes, (name, distribution) in zip(grid, lengths.items(), strict=False):
            _histogram(axes, TITLES[name], distribution)
            if name == "row":
                _mark(axes, distribution, max_length)
        for axes in grid[len(lengths) :]:
            axes.set_axis_off()
        return save(figure, path)


def _histogram(axes: Axes, title: str, lengths: LengthStatistics) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.stairs(lengths.counts, lengths.edges, fill=True, color=PALETTE[0], alpha=0.85)
    median, longest = lengths.percentiles["50%"], lengths.percentiles["100%"]
    axes.axvline(median, color=GRAY, linewidth=0.9, linestyle=(0, (4, 2)))
    axes.set_title(title, loc="left", size=10, weight="bold")
    axes.set_title(f"median {median:,}, longest {longest:,}", loc="right", size=8, color=GRAY)
    axes.set_xlabel(lengths.unit, loc="right")
    axes.set_ylabel("rows")
    axes.set_xlim(0, lengths.edges[-1])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _mark(axes: Axes, lengths: LengthStatistics, max_length: int) -> None:
    """Where training cuts: a line, or an arrow to the right where less than 1% of the rows is so long."""
    end = lengths.edges[-1]
    if max_length <= end:
        axes.axvline(max_length, color=WARNING, linewidth=1.4)
    right = max_length < end / 2  # bars are high on the left
    axes.annotate(
        f"max_length {max_length:,}" + (" →" if max_length > end else ""), (min(max_length, end), 0.97),
        xycoords=("data", "axes fraction"), xytext=(4 if right else -4, 0), textcoords="offset points",
        ha="left" if right else "right", va="top", size=8, color=WARNING,
    )  # fmt: skip
