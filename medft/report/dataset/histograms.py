"""The plot of a data set: how long its texts and rows are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from xml.etree.ElementTree import Element

from medft.data.examination.statistics import LengthStatistics
from medft.report import svg

COLUMNS = 2
TITLES = {"question": "Question", "context": "Context", "answer": "Answer", "row": "Whole row"}
_PANEL, _HEIGHT = 410, 210
_LEFT, _TOP, _WIDE, _HIGH = 52, 44, 330, 120
_NUMBERS = 5
"""Numbers along an axis, at most."""


def draw_lengths(lengths: Mapping[str, LengthStatistics], max_length: int) -> str:
    """One histogram for each of ``lengths``, with ``max_length`` marked in that of the rows, as SVG text.

    Args:
        lengths: by name: question, context, answer (characters) and row (tokens).
        max_length: longest row in tokens that training takes.
    """
    rows = -(-len(lengths) // COLUMNS)
    drawing = svg.canvas(COLUMNS * _PANEL, rows * _HEIGHT, f"How long they are: {', '.join(lengths)}")
    for number, (name, distribution) in enumerate(lengths.items()):
        row, column = divmod(number, COLUMNS)
        left, top = column * _PANEL + _LEFT, row * _HEIGHT + _TOP
        _histogram(drawing, left, top, TITLES[name], distribution)
        if name == "row":
            _mark(drawing, left, top, distribution, max_length)
    return svg.drawn(drawing)


def _histogram(drawing: Element, left: int, top: int, title: str, lengths: LengthStatistics) -> None:
    end, most, bottom = lengths.edges[-1], max(lengths.counts), top + _HIGH
    across, up = _WIDE / end, _HIGH / most
    median, longest = lengths.percentiles["50%"], lengths.percentiles["100%"]
    svg.put(drawing, left, top - 16, title, "head")
    svg.put(drawing, left + _WIDE, top - 16, f"median {median:,}, longest {longest:,}", "end faint")
    for count in _round_numbers(most):
        y = bottom - count * up
        svg.line(drawing, left, y, left + _WIDE, y, "rule")
        svg.put(drawing, left - 8, y + 4, f"{count:,}", "end faint")
    steps: list[tuple[float, float]] = [(left, bottom)]
    for edges, count in zip(pairwise(lengths.edges), lengths.counts, strict=True):
        steps += [(left + edge * across, bottom - count * up) for edge in edges]
    svg.area(drawing, [*steps, (left + _WIDE, bottom)])
    for length in _round_numbers(end):
        svg.put(drawing, left + length * across, bottom + 18, f"{length:,}", "middle faint")
    svg.line(drawing, left, bottom, left + _WIDE, bottom, "axis")
    svg.line(drawing, left + median * across, top, left + median * across, bottom, "axis dashed")
    svg.put(drawing, left + _WIDE, bottom + 34, lengths.unit, "end")
    svg.put(drawing, left - 8, top - 16, "rows", "end")


def _mark(drawing: Element, left: int, top: int, lengths: LengthStatistics, max_length: int) -> None:
    """Where training cuts: a line, or an arrow to the right where less than 1% of the rows is so long."""
    end = lengths.edges[-1]
    at = left + min(max_length / end, 1.0) * _WIDE
    if max_length <= end:
        svg.line(drawing, at, top, at, top + _HIGH, "limit")
    look = "limit" if max_length < end / 2 else "end limit"
    svg.put(
        drawing, at, top - 3, f"max_length {max_length:,}" + " →" * (max_length > end), look
    )  # above bars


def _round_numbers(most: int) -> Iterator[int]:
    """0 and the multiples of 1, 2 or 5 times a power of ten up to ``most``, as many as have room."""
    steps = (ones * 10**power for power in range(20) for ones in (1, 2, 5))
    step = next(step for step in steps if step * _NUMBERS >= most)
    yield from range(0, most + 1, step)
