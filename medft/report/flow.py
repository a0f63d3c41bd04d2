"""Rows on their way into a data set, as a flow figure in CONSORT's manner: what was read, what was left out
and why, and what became of the rest."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from medft.report import svg

_WIDTH, _MAIN, _SIDE, _GAP = 720, 330, 340, 26
_TOP, _LINE, _PAD = 34, 18, 12


@dataclass(frozen=True, slots=True)
class Flow:
    """The way of one set of rows."""

    title: str
    """What it is called."""
    read: Sequence[str]
    """Lines of the first box; its first line is set strong, as in every box."""
    left_out: Sequence[str]
    """Lines of the box beside the way."""
    kept: Sequence[Sequence[str]]
    """Lines of the boxes at its end, side by side."""


def flow(rows: Flow) -> str:
    """The figure, as SVG text."""
    width = (_WIDTH - 8 - _GAP * (len(rows.kept) - 1)) / max(len(rows.kept), 1)
    read, left_out = _Box(rows.read, _MAIN), _Box(rows.left_out, _SIDE)
    ends = [_Box(lines, width) for lines in rows.kept]
    side = _TOP + read.height + _GAP / 2
    last = max(side + left_out.height, _TOP + read.height) + _GAP
    drawing = svg.canvas(
        _WIDTH, last + max((end.height for end in ends), default=0) + 8, f"Flow of rows, {rows.title}"
    )
    svg.put(drawing, 4, 18, rows.title, "head")
    read.draw(drawing, 4, _TOP)
    middle, across = 4 + _MAIN / 2, side + left_out.height / 2
    svg.line(drawing, middle, _TOP + read.height, middle, last - _GAP / 2, "axis")
    svg.line(drawing, middle, across, _WIDTH - _SIDE - 4, across, "axis")
    left_out.draw(drawing, _WIDTH - _SIDE - 4, side)
    for number, end in enumerate(ends):
        left = 4 + number * (width + _GAP)
        svg.line(drawing, middle, last - _GAP / 2, left + width / 2, last - _GAP / 2, "axis")
        svg.line(drawing, left + width / 2, last - _GAP / 2, left + width / 2, last, "axis")
        end.draw(drawing, left, last)
    return svg.drawn(drawing)


class _Box:
    """A frame with lines, wrapped where they are longer than it is wide."""

    def __init__(self, lines: Sequence[str], width: float) -> None:
        letters = int((width - 2 * _PAD) / svg.CHARACTER)
        wrapped = [textwrap.wrap(words, letters, subsequent_indent="  ") for words in lines]
        self.lines = [(part, not number) for number, each in enumerate(wrapped) for part in each]
        self.width, self.height = width, 2 * _PAD + _LINE * len(self.lines) - 4

    def draw(self, drawing: Element, x: float, y: float) -> None:
        svg.box(drawing, x, y, self.width, self.height)
        for number, (words, strong) in enumerate(self.lines):
            svg.put(drawing, x + _PAD, y + _PAD + 12 + _LINE * number, words, "head" if strong else "")
