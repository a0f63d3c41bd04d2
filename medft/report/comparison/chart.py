"""The curves of a comparison as data for the page's interactive chart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from medft.aliases import Json
from medft.report.blocks import Chart, Picture
from medft.report.comparison.plot import MOST_COLORED, UNITS, X_NAMES, label_text
from medft.report.comparison.result import Comparison, Panel
from medft.report.series import smooth, thin
from medft.report.style import line_style

if TYPE_CHECKING:
    from medft.report.series import Floats

_BUCKETS = 150  # up to four points of each: more than a screen has columns for a line
_MOST_RAW = 6
"""Lines beyond which raw values would hide one another."""


def chart(comparison: Comparison, picture: Picture) -> Chart:
    """Raw, smoothed and validation values of every run, one panel each axis; ``picture`` shows the same."""
    return Chart(tuple(_panel(comparison, panel) for panel in comparison.panels), picture)


def _panel(comparison: Comparison, panel: Panel) -> Json:
    return {
        "x": X_NAMES[comparison.x], "y": UNITS[panel.metric], "note": panel.note,
        "series": list(_series(comparison, panel)),
    }  # fmt: skip


def _series(comparison: Comparison, panel: Panel) -> Iterator[Json]:
    for place, index in enumerate(panel.lines[:MOST_COLORED]):
        line, (color, dashes) = comparison.lines[index], line_style(place)
        look = {"color": color, "dash": [] if isinstance(dashes, str) else [round(4 * d) for d in dashes[1]]}
        runs = [run for run in comparison.members(line) if run.curve.has(comparison.x)]
        for run in runs:
            name = label_text(comparison, index) + (f", seed {run.seed}" if len(runs) > 1 else "")
            at, raw = run.curve.points("train", comparison.x, panel.metric)
            smoothed = smooth(at, raw)
            if smoothed is not None and len(panel.lines) <= _MOST_RAW:
                yield {"label": f"{name}, each step", "kind": "raw", **look, **_points(at, raw)}
            yield {
                "label": name,
                "kind": "line",
                **look,
                **_points(at, raw if smoothed is None else smoothed),
            }
            held = run.curve.points("validation", comparison.x, panel.metric)
            yield {"label": f"{name}, validation", "kind": "held", **look, **_points(*held)}


def _points(x: Floats, y: Floats) -> Json:
    """x ascending and y, five digits each."""
    kept = {float(f"{a:.6g}"): float(f"{b:.5g}") for a, b in zip(*thin(x, y, _BUCKETS), strict=True)}
    return {"x": sorted(kept), "y": [kept[a] for a in sorted(kept)]}
