"""The chart of a comparison's page in a real browser: values at the pointer, nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medft.report.blocks import Chart, Picture, Section, Text
from medft.report.comparison.chart import chart
from medft.report.comparison.page import write_comparison
from medft.report.comparison.rules import compare
from medft.report.html import page as html
from medft.report.subject import of_run
from tests.support.browser import chromium
from tests.support.run_folder import MODELS, make_run

HEAD = "step,epoch,split,loss,bits_per_byte,learning_rate,grad_norm,tokens,seconds\n"
HOSTILE = "</script><script>document.title='broken'</script>"


def losses(start: float, steps: int = 60) -> str:
    rows = [
        f"{n},{n / steps},train,{start - n / 100},{start / 3 - n / 300},,,{n * 90},{n}"
        for n in range(1, steps)
    ]
    held = f"{steps},1,validation,{start - 0.6},{start / 3 - 0.2},,,{steps * 90},{steps}"
    return HEAD + "\n".join([*rows, held]) + "\n"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


def written(root: Path, models: tuple[str, ...] = ("mistral", "gemma")) -> Path:
    subjects = [of_run(make_run(root, m, loss_csv=losses(2.5 + n))) for n, m in enumerate(models)]
    return write_comparison(compare(subjects), root / "out", "Two runs") / "comparison.html"


def test_values_stand_at_the_pointer_and_names_switch_lines(browser: Any, tmp_path: Path) -> None:
    opened = browser.new_page(viewport={"width": 1100, "height": 900})
    problems: list[str] = []
    opened.on("console", lambda message: problems.append(message.text))
    opened.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else problems.append(r.url))
    opened.goto(written(tmp_path).as_uri())
    plot = opened.locator(".chart .u-over")
    box = plot.bounding_box()
    opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    values = [text for text in opened.locator(".u-legend .u-value").all_inner_texts() if text]
    assert values and all(float(text.replace(",", "")) > 0 for text in values)
    name = opened.locator(".u-legend .u-series").nth(1)
    name.locator("th").click()
    assert "u-off" in str(name.get_attribute("class"))
    assert problems == []
    for width in (400, 1600):
        opened.set_viewport_size({"width": width, "height": 900})
        while (box := opened.locator(".chart canvas").bounding_box())["x"] + box["width"] > width:
            opened.wait_for_timeout(50)
        assert box["width"] > 0.6 * width
    assert opened.get_by_role("heading", level=1).count() == 1
    opened.close()


def test_fourteen_long_runs_make_a_page_below_a_megabyte(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / str(n), list(MODELS)[n % 4], loss_csv=losses(3 + n / 9, 4000)) for n in range(14)
    ]
    path = (
        write_comparison(compare([of_run(run) for run in runs]), tmp_path / "out", "Many") / "comparison.html"
    )
    assert path.stat().st_size < 1_000_000


def test_the_data_are_those_of_the_curves(tmp_path: Path) -> None:
    comparison = compare([of_run(make_run(tmp_path, loss_csv=losses(2.5)))])
    [panel] = chart(comparison, Picture(b"", "image/svg+xml", "", "x.svg")).panels
    kinds = {series["kind"]: series for series in panel["series"]}  # type: ignore[attr-defined]
    assert set(kinds) == {"raw", "line", "held"}
    curve = comparison.subjects[0].curve
    at, raw = curve.points("train", "step", "bits_per_byte")
    assert kinds["raw"]["x"] == list(at)
    assert kinds["raw"]["y"] == pytest.approx(list(raw), rel=1e-4)
    assert kinds["held"]["y"] == pytest.approx([2.5 / 3 - 0.2], rel=1e-4)


def test_hostile_names_end_no_element_and_pages_without_a_chart_run_no_script(
    browser: Any, tmp_path: Path
) -> None:
    series = [{"label": HOSTILE, "kind": "line", "color": "#000000", "dash": [], "x": [1, 2], "y": [1, 2]}]
    panel = {"x": "step", "y": HOSTILE, "note": HOSTILE, "series": series}
    block = Chart((panel,), Picture(b"<svg/>", "image/svg+xml", HOSTILE, "x.svg"))
    path = tmp_path / "page.html"
    path.write_text(html("Fine", [Section("", [block])]))
    opened = browser.new_page()
    opened.goto(path.as_uri())
    opened.locator(".u-legend .u-label").get_by_text(HOSTILE).wait_for()
    assert opened.title() == "Fine"
    opened.close()
    assert json.loads(block.data[0]) == panel
    assert "<script" not in html("Fine", [Section("", [Text(HOSTILE)])])
