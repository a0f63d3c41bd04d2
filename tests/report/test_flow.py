"""The flow figure: every line stands in it, none runs out of its box."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree

from medft.report import svg
from medft.report.flow import Flow, flow

ROWS = Flow(
    "wards & <clinics>",
    ["Read: 1,000 rows"],
    ["Left out: 40", "answers that repeat another one word for word in the same data set 40"],
    [["train: 800 rows", "trained on"], ["validation: 80 rows"], ["test: 80 rows", "held out"]],
)


def test_boxes_hold_all_lines_wrapped_and_within_the_drawing() -> None:
    root = ElementTree.fromstring(flow(ROWS))  # noqa: S314 - our own
    width, height = (float(each) for each in root.attrib["viewBox"].split()[2:])
    texts = ["".join(text.itertext()) for text in root.iter("text")]
    assert (
        " ".join(texts).split()
        == " ".join(
            [ROWS.title, *ROWS.read, *ROWS.left_out, *(line for lines in ROWS.kept for line in lines)]
        ).split()
    )
    boxes = [
        {key: float(box.attrib[key]) for key in ("x", "y", "width", "height")} for box in root.iter("rect")
    ]
    assert len(boxes) == 2 + len(ROWS.kept)
    for box in boxes:
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
    for text in list(root.iter("text"))[1:]:
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        inside = [b for b in boxes if b["x"] < x < b["x"] + b["width"] and b["y"] < y < b["y"] + b["height"]]
        [box] = inside
        assert x + 6.5 * len(text.text or "") < box["x"] + box["width"], text.text
    ends = sorted(box["x"] for box in boxes[2:])
    assert all(b - a > boxes[2]["width"] for a, b in itertools.pairwise(ends)), "side by side"


def test_a_drawing_of_its_own_is_whole() -> None:
    root = ElementTree.fromstring(svg.standalone(flow(ROWS)))  # noqa: S314 - our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    style = root.find("{http://www.w3.org/2000/svg}style")
    assert style is not None and "--ink: #1a1a1a" in (style.text or "")


def test_bars_of_one_unit_share_a_scale() -> None:
    for scale, ratio in (("bits", 2.0), ("shares", 1.0)):
        bars = [svg.Bar("a", 1.0, 0.5, 2.0, "", "bits"), svg.Bar("b", 0.5, 0.25, 1.0, "", scale)]
        root = ElementTree.fromstring(svg.forest(bars))  # noqa: S314 - our own
        first, second = (line for line in root.iter("line") if line.attrib["class"] == "interval")
        widths = [float(line.attrib["x2"]) - float(line.attrib["x1"]) for line in (first, second)]
        assert abs(widths[0] / widths[1] - ratio) < 0.02
