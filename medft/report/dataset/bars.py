"""The figure of what is in a data set, in bars: rows, tokens, repeats, languages, identifiers.

Owns that figure. Knows nothing of the page it stands on; looks come from style.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medft.data.examination.examine import Report
from medft.data.record import SPLITS
from medft.report.dataset.text import summed
from medft.report.style import INK, PALETTE, RC, WIDTH, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 2
GOOD, OUT, PLAIN = PALETTE[0], PALETTE[1], PALETTE[5]
"""What is trained on, what is left out or must be looked at, and the rest."""
MOST = 8
"""Bars of one panel; the rest is summed into one more."""
BAR, HEAD = 0.21, 0.42
"""Heights in inches: of a bar, and of what stands around the bars of a panel."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar."""

    name: str
    """What is counted."""
    count: int
    """How many there are."""
    color: str = PLAIN
    """Of the bar; never of its text."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars of one kind, with a heading."""

    title: str
    """What they tell, and of how many."""
    bars: Sequence[Bar]
    """From top to bottom."""
    whole: int
    """The count that is 100%; 0 leaves the shares out."""


def draw_bars(report: Report, path: Path) -> Path:
    """Draw everything that is counted, a panel for each kind.

    Args:
        report: the examination.
        path: file to write, .svg or .png.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    drawn = [panel for panel in panels(report) if panel.bars]
    rows = [drawn[start : start + COLUMNS] for start in range(0, len(drawn), COLUMNS)]
    most = [max(len(panel.bars) for panel in row) for row in rows]
    height = sum(HEAD + BAR * bars for bars in most)
    with matplotlib.rc_context({**RC, "axes.grid": False}):
        layout = ConstrainedLayoutEngine(h_pad=0.06, w_pad=0.1)
        figure = Figure(figsize=(WIDTH, height), layout=layout)
        grid = figure.subplots(len(rows), COLUMNS, squeeze=False, height_ratios=most)
        for number, axes in enumerate(grid.flat):
            if number < len(drawn):
                _draw(axes, drawn[number], most[number // COLUMNS])
            else:
                axes.set_axis_off()
        return save(figure, path)


def panels(report: Report) -> Iterator[Panel]:
    """What is shown, in reading order; a panel without bars has nothing to show."""
    totals = report.ledger["totals"]
    rows, kept = totals["rows_in"], sum(totals["kept"].values())
    splits = [Bar(name, totals["kept"].get(name, 0), GOOD) for name in SPLITS]
    yield Panel(f"What became of {rows:,} rows", splits + _bars(totals["dropped"], OUT), rows)
    yield _tokens(report)
    yield Panel(f"Sources of {kept:,} rows", _several(_by_source(report)), kept)
    yield Panel(f"Tasks of {kept:,} rows", _several(_by_task(report)), kept)
    shared = report.repeats.rows
    answers = [Bar("of one row", kept - shared), Bar("of several rows", shared, OUT)]
    yield Panel(f"Answers of {kept:,} rows", answers, kept)
    yield from _held_out(report)
    sampled = report.languages.sampled
    yield Panel(f"Languages of {sampled:,} rows", _bars(report.languages.found), sampled)
    yield Panel("Patterned identifiers", _bars(summed(report, "identifiers"), OUT), 0)
    yield Panel(f"Repairs of {rows:,} rows", _bars(summed(report, "repaired")), rows)


def _tokens(report: Report) -> Panel:
    if report.tokens is None:
        return Panel("Tokens", [], 0)
    loss, whole = report.tokens.loss_tokens, report.tokens.tokens
    return Panel(f"{whole:,} tokens", [Bar("carry loss", loss, GOOD), Bar("prompt", whole - loss)], whole)


def _held_out(report: Report) -> Iterator[Panel]:
    """What of the held-out rows stands in train, in all of them and nearly in a sample."""
    found = report.overlap
    same = [Bar("same question", found.same_question, OUT), Bar("same answer", found.same_answer, OUT)]
    near = [
        Bar("half of its 8-grams", found.near - found.recurring, OUT),
        Bar("recurring passages", found.recurring),
    ]
    for bars, whole, how in (
        (same, found.held_out_rows, "in train too"),
        (near, found.sampled, "near train"),
    ):
        yield Panel(f"Of {whole:,} held-out rows, {how}", bars if whole else [], whole)


def _by_source(report: Report) -> dict[str, int]:
    return {source["name"]: sum(source["kept"].values()) for source in report.ledger["sources"]}


def _by_task(report: Report) -> dict[str, int]:
    names = {name for tasks in report.tasks.values() for name in tasks}
    return {name: sum(tasks.get(name, 0) for tasks in report.tasks.values()) for name in sorted(names)}


def _several(counts: Mapping[str, int]) -> list[Bar]:
    """Bars where there is something to compare."""
    return _bars(counts) if len(counts) > 1 else []


def _bars(counts: Mapping[str, int], color: str = PLAIN) -> list[Bar]:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    bars = [Bar(name.replace("_", " "), count, color) for name, count in ordered[:MOST]]
    rest = ordered[MOST:]
    return [*bars, Bar(f"{len(rest)} more", sum(count for _, count in rest), color)] if rest else bars


def _draw(axes: Axes, panel: Panel, most: int) -> None:
    """Bars as thick as those of the panel beside it, which has up to ``most``."""
    places = range(len(panel.bars))
    counts = [bar.count for bar in panel.bars]
    axes.barh(places, counts, height=0.66, color=[bar.color for bar in panel.bars])
    axes.set_yticks(places, [bar.name for bar in panel.bars])
    axes.set_ylim(most - 0.5, -0.5)
    axes.set_xlim(0, max([*counts, 1]) * 1.45)  # room for the figures behind the bars
    axes.xaxis.set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.spines[["bottom", "left"]].set_visible(False)
    for place, count in zip(places, counts, strict=True):
        text = f"{count:,}  {_share(count, panel.whole)}"
        at = (count, place)
        axes.annotate(text, at, (4, 0), textcoords="offset points", va="center", size=8.5, color=INK)
    axes.set_title(panel.title, loc="left", size=10, weight="bold")


def _share(count: int, whole: int) -> str:
    if not whole or not count:
        return ""
    return f"{count / whole:.1%}" if count >= 0.0005 * whole else "<0.1%"
