"""Figures as SVG in the page itself: intervals as a forest plot, a reliability diagram, counts as a grid; and
what other drawings are made of.

Colors are the page's own (figure.css), so that they follow it into the dark; the XML writer escapes every
text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

ROW = 22
CHARACTER = 7.2
"""Width of a letter, as far as room has to be made for it."""
_TEMPLATES = Path(__file__).parent / "templates"
_LIGHT = "--ink: #1a1a1a; --gray: #5d5d5d; --rule: #d9d9d9; --soft: #f5f6f7; font-family: sans-serif;"


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of a forest plot."""

    name: str
    """What differs."""
    value: float
    """The difference, above 0 for the better."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end."""
    label: str
    """What stands beside it."""
    scale: str = ""
    """What it is measured in: lines of one scale are drawn to it."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a reliability diagram."""

    confidence: float
    """Mean confidence, 0 to 1."""
    accuracy: float
    """Accuracy, 0 to 1."""
    items: int
    """How many items it stands for."""


def forest(bars: Sequence[Bar], unit: str = "") -> str:
    """Differences with their intervals around a common 0; the widest line of a scale fills the plot.

    Args:
        bars: a line each. unit: what all of them are measured in, with the numbers below; empty where their
            scales differ.
    """
    left = max([110, *(CHARACTER * len(bar.name) + 20 for bar in bars)])
    height = ROW * (len(bars) + 2 + bool(unit))
    right, below = left + 260, ROW * (len(bars) + 1)
    middle, half = (left + right) / 2, (right - left) / 2
    svg = canvas(right + 380, height, "Differences with 95% intervals; to the right is better")
    line(svg, middle, ROW, middle, below, "axis")
    put(svg, left, ROW - 8, "worse", "end faint")
    put(svg, right, ROW - 8, "better", "faint")
    widest: dict[str, float] = {}
    for bar in bars:
        ends = abs(bar.low), abs(bar.high), abs(bar.value)
        widest[bar.scale] = max(*ends, widest.get(bar.scale, 0.0))
    for number, bar in enumerate(bars):
        y = ROW * (number + 1.5)
        scale = half / (widest[bar.scale] or 1)
        put(svg, left - 12, y + 4, bar.name, "end")
        line(svg, middle + bar.low * scale, y, middle + bar.high * scale, y, "interval")
        _circle(svg, middle + bar.value * scale, y, 4, "point")
        put(svg, right + 12, y + 4, bar.label, "")
    if unit:
        for share in (-1, 0, 1):
            put(svg, middle + share * half, below + 16, f"{share * max(widest.values()):.3g}", "middle faint")
        put(svg, middle, below + 2 * ROW - 10, unit, "middle faint")
    return drawn(svg)


def reliability(systems: Mapping[str, Sequence[Dot]]) -> str:
    """Accuracy against confidence, a dot per bin with its area by items; on the diagonal confidence is
    deserved, below it a system believes too much of itself."""
    side, edge = 300, 46
    svg = canvas(side + edge + 180, side + edge + 20, "Accuracy against confidence")
    line(svg, edge, 10 + side, edge + side, 10, "axis dashed")
    for share in (0.0, 0.5, 1.0):
        x, y = edge + share * side, 10 + side - share * side
        put(svg, x, side + 26, f"{share:g}", "middle faint")
        put(svg, edge - 8, y + 4, f"{share:g}", "end faint")
        line(svg, x, 10 + side, x, 10 + side + 5, "axis")
        line(svg, edge - 5, y, edge, y, "axis")
    put(svg, edge + side / 2, side + 46, "confidence", "middle")
    put(svg, 14, 10 + side / 2, "accuracy", "middle", transform=f"rotate(-90 14 {10 + side // 2})")
    most = max((dot.items for dots in systems.values() for dot in dots), default=1)
    for number, (system, dots) in enumerate(systems.items()):
        look = f"series{number % 3}"
        points = [(edge + d.confidence * side, 10 + side - d.accuracy * side, d) for d in dots]
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y, _ in points)
        SubElement(svg, "polyline", points=path, attrib={"class": f"curve {look}"})
        for x, y, dot in points:
            radius = 3 + 7 * (dot.items / most) ** 0.5
            made = _circle(svg, x, y, radius, f"dot {look}")
            SubElement(
                made, "title"
            ).text = (
                f"{system}: {dot.items} items, confidence {dot.confidence:.2f}, accuracy {dot.accuracy:.2f}"
            )
        _circle(svg, edge + side + 24, 24 + 20 * number, 5, f"dot {look}")
        put(svg, edge + side + 36, 28 + 20 * number, system, "")
    return drawn(svg)


def grid(title: str, rows: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Counts as shaded cells, a row's shades by its shares."""
    cell, left, top = 64, 150, 54
    svg = canvas(left + cell * len(columns) + 10, top + 34 * len(rows) + 10, title)
    put(svg, 0, 16, title, "")
    for number, name in enumerate(columns):
        put(svg, left + cell * (number + 0.5), top - 10, _short(name, 10), "middle faint")
    for y, (name, row) in enumerate(zip(rows, counts, strict=True)):
        put(svg, left - 10, top + 34 * y + 22, _short(name, 20), "end")
        for x, count in enumerate(row):
            share = count / (sum(row) or 1)
            place = {"x": _n(left + cell * x + 1), "y": _n(top + 34 * y + 1)}
            look = {"width": _n(cell - 2), "height": "32", "class": "cell", "fill-opacity": f"{share:.2f}"}
            SubElement(svg, "rect", attrib={**place, **look})
            put(svg, left + cell * (x + 0.5), top + 34 * y + 22, str(count), "middle")
    return drawn(svg)


def standalone(figure: str) -> str:
    """A drawing as a file of its own, dark on white wherever it is shown."""
    style = (_TEMPLATES / "figure.css").read_text("utf-8")
    frame = figure.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    head, _, rest = frame.partition(">")
    paper = '<rect width="100%" height="100%" fill="#fff" />'
    return f"{head}><style>{style}\nsvg.figure {{ {_LIGHT} }}</style>{paper}{rest}"


def canvas(width: float, height: float, name: str) -> Element:
    """An empty drawing, with what it shows for those who do not see it."""
    return Element(
        "svg", attrib={"viewBox": f"0 0 {_n(width)} {_n(height)}", "width": _n(width), "role": "img",
                       "aria-label": name, "class": "figure"},
    )  # fmt: skip


def line(svg: Element, x1: float, y1: float, x2: float, y2: float, look: str) -> None:
    """A line; ``look`` is a class of figure.css."""
    ends = {"x1": _n(x1), "y1": _n(y1), "x2": _n(x2), "y2": _n(y2)}
    SubElement(svg, "line", attrib={**ends, "class": look})


def box(svg: Element, x: float, y: float, width: float, height: float) -> None:
    """A frame."""
    place = {"x": _n(x), "y": _n(y), "width": _n(width), "height": _n(height)}
    SubElement(svg, "rect", attrib={**place, "rx": "4", "class": "box"})


def area(svg: Element, points: Sequence[tuple[float, float]]) -> None:
    """A filled outline."""
    outline = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
    SubElement(svg, "polygon", points=outline, attrib={"class": "area"})


def drawn(svg: Element) -> str:
    """The drawing as text."""
    return tostring(svg, encoding="unicode")


def _circle(svg: Element, x: float, y: float, radius: float, look: str) -> Element:
    return SubElement(svg, "circle", attrib={"cx": _n(x), "cy": _n(y), "r": _n(radius), "class": look})


def put(svg: Element, x: float, y: float, words: str, look: str, **more: str) -> None:
    """Words at a place; ``look`` is a class of figure.css."""
    SubElement(svg, "text", attrib={"x": _n(x), "y": _n(y), "class": look, **more}).text = words


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
