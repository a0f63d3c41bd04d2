"""The plot of lengths, read back from its SVG."""

from __future__ import annotations

from array import array
from xml.etree import ElementTree

import pytest

from medft.data.examination.statistics import lengths_of
from medft.report.dataset.histograms import draw_lengths

ROWS = array("I", [5] * 60 + [100] * 120 + [400])


def drawn(max_length: int) -> ElementTree.Element:
    return ElementTree.fromstring(draw_lengths({"row": lengths_of(ROWS, "tokens")}, max_length))  # noqa: S314


def words(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter("text")]


def test_bars_are_as_high_as_there_are_rows_and_stand_where_their_lengths_are() -> None:
    root = drawn(2048)
    [bars] = root.iter("polygon")
    points = [tuple(map(float, point.split(","))) for point in bars.attrib["points"].split()]
    left, bottom = points[0]
    right = points[-1][0]
    heights = {round(x): bottom - y for x, y in points}
    tallest = max(heights.values())
    top = lengths_of(ROWS, "tokens").edges[-1]
    assert heights[round(left + 5 / top * (right - left))] == pytest.approx(tallest * 60 / 121, abs=0.2)
    [median] = [line for line in root.iter("line") if line.attrib["class"] == "axis dashed"]
    assert float(median.attrib["x1"]) == pytest.approx(left + 100 / top * (right - left), abs=0.1)
    assert "median 100, longest 400" in words(root)


@pytest.mark.parametrize(
    ("max_length", "said", "lines"), [(60, "max_length 60", 1), (2048, "max_length 2,048 →", 0)]
)
def test_the_longest_row_is_a_line_or_an_arrow_beyond(max_length: int, said: str, lines: int) -> None:
    root = drawn(max_length)
    assert said in words(root)
    assert len([line for line in root.iter("line") if line.attrib["class"] == "limit"]) == lines


def test_numbers_along_the_axes_are_round_and_few() -> None:
    numbers = [word for word in words(drawn(2048)) if word.replace(",", "").isdigit()]
    assert numbers == ["0", "50", "100", "0", "20", "40", "60", "80", "100"]
