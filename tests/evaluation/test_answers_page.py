"""The pages of an evaluation in a real browser: answers to search, sort and filter, and drawn figures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medft.evaluation import answers_page, report
from medft.evaluation.measures import Measure, summarize
from medft.files import write_json, write_text
from medft.report import svg
from medft.runs import RunDir
from tests.support.browser import chromium

HOSTILE = '</script><script>document.title="broken"</script><img src=x onerror="document.title=1"> & more'
N = 60


def _line(i: int, system: str) -> str:
    text = f"{system} says {i}" if i else HOSTILE
    row = {
        "key": f"{system}{i}", "item": f"q{i}", "system": system, "kind": "generated", "text": text,
        "tokens": 3, "stopped": i != 7, "group": "part", "question": f"What is case {i}?", "gold": "Rest.",
        "scores": {"ROUGE-L": i / N if system == "base" else 1 - i / N, "loss": i / 10},
        "read": "unparsable" if (i, system) == (9, "tuned") else "",
    }  # fmt: skip
    return json.dumps(row) + "\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    run = RunDir(tmp_path_factory.mktemp("run"))
    rouge = {"base": [i / N for i in range(N)], "tuned": [1 - i / N for i in range(N)]}
    loss = {"base": [i / 10 for i in range(N)], "tuned": [i / 20 for i in range(N)]}
    metrics = [Measure("ROUGE-L", "mean", rouge), Measure("loss", "mean", loss, higher_is_better=False)]
    bins = [
        {"items": 20, "confidence": 0.45, "accuracy": 0.4},
        {"items": 40, "confidence": 0.9, "accuracy": 0.6},
    ]
    confusion = {
        "rows": ["<b>", "no"],
        "columns": ["<b>", "no", "unparsable"],
        "counts": {"base": [[5, 1, 0], [2, 3, 1]]},
    }
    suite = {
        "suite": "heldout", "date": "2026-11-21", "tiny": True, "weights": "adapter", "asked": N,
        "left_out": {}, "notes": [], "figures": [summarize(each, 0).to_json() for each in metrics],
        "extras": {"calibration": {"reliability": {"base": bins}}, "generated": confusion},
    }  # fmt: skip
    write_json(run.evaluation / "heldout.json", suite)
    lines = [_line(i, system) for i in range(N) for system in ("base", "tuned")]
    write_text(run.evaluation / "heldout.answers.jsonl", "".join(lines))
    report.write_report(run, "Evaluation of r")
    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


def _open(browser: Any, path: Path) -> Any:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.outside = []
    page.on("request", lambda r: page.outside.append(r.url) if not r.url.startswith("file:") else None)
    page.on("console", lambda m: page.outside.append(m.text) if m.type == "error" else None)
    page.goto(path.as_uri())
    return page


@pytest.fixture
def page(browser: Any, run: RunDir) -> Iterator[Any]:
    opened = _open(browser, run.evaluation / "answers.html")
    yield opened
    assert opened.outside == []
    opened.close()


def _first(page: Any) -> str:
    return str(page.locator("article h3").first.inner_text())


def test_answers_stand_side_by_side_and_hostile_text_is_text(page: Any) -> None:
    article = page.locator("article").first
    assert article.locator("h4").all_inner_texts() == ["reference", "base", "tuned"]
    assert HOSTILE in article.inner_text()
    assert page.title() == "Evaluation of r"
    assert page.locator("article").count() == 50
    page.locator("#more").click()
    assert page.locator("article").count() == N


def test_search_and_order(page: Any) -> None:
    page.locator("#search").fill("CASE tuned 12")
    assert page.locator("#count").inner_text() == f"1 of {N} questions"
    page.locator("#search").fill("")
    for order, first in (
        ("ROUGE-L, tuned: worst first", "q59"), ("ROUGE-L, tuned: best first", "q0"),
        ("loss, base: worst first", "q59"), ("ROUGE-L: most lost by tuning first", "q59"),
        ("ROUGE-L: most gained by tuning first", "q0"),
    ):  # fmt: skip
        page.locator("#order").select_option(label=order)
        assert _first(page).startswith(first), order


def test_failures_are_a_click_away(page: Any) -> None:
    for flag, item in (("unfinished", "q7"), ("unparsable", "q9")):
        page.get_by_role("button", name=flag).click()
        assert [_first(page).split(" ")[0], page.locator("article").count()] == [item, 1]
        page.get_by_role("button", name=flag).click()
    page.get_by_role("button", name="repeated").click()
    assert page.locator("article").count() == 0


def test_the_report_draws_its_figures(browser: Any, run: RunDir) -> None:
    page = _open(browser, run.evaluation / "report.html")
    assert page.locator("svg.figure").count() == 3
    boxes = [page.locator("svg.figure").nth(i).bounding_box() for i in range(3)]
    assert all(box["width"] > 200 and box["height"] > 60 for box in boxes)
    forest = page.locator("svg.figure").first
    middle = float(forest.locator("line.axis").get_attribute("x1"))
    points = [float(point.get_attribute("cx")) for point in forest.locator("circle").all()]
    assert points[1] > middle  # a lower loss is better, and better is right
    assert "<b>" in page.locator("svg.figure").nth(2).text_content()
    page.screenshot(path=str(run.root / "report.png"), full_page=True)
    assert page.outside == []
    page.close()
    assert "drawn on the HTML page" in (run.evaluation / "report.md").read_text()


def test_on_a_telephone_nothing_stands_beside_the_page(browser: Any, run: RunDir) -> None:
    for name in ("answers.html", "report.html"):
        page = browser.new_page(viewport={"width": 400, "height": 900})
        page.goto((run.evaluation / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, name
        if name == "report.html":  # its figures scroll, so that their words stay legible
            assert page.locator("svg.figure").first.bounding_box()["width"] > 700
        page.close()


def test_lines_of_one_scale_are_drawn_to_it() -> None:
    bars = [svg.Bar("dose", 0.0, -0.6, 0.6, "", "share"), svg.Bar("all", 0.0, -0.2, 0.2, "", "share"),
            svg.Bar("loss", -2.0, -3.0, 0.0, "", "loss")]  # fmt: skip
    drawn = re.findall(r'<line x1="([\d.]+)"[^>]* x2="([\d.]+)"[^>]*class="interval"', svg.forest(bars))
    wide, narrow, loss = (float(end) - float(start) for start, end in drawn)
    assert (narrow / wide, loss / wide) == (pytest.approx(1 / 3, abs=0.01), pytest.approx(0.5, abs=0.01))


def test_line_separators_in_an_answer_end_no_line(tmp_path: Path) -> None:
    row = {"kind": "generated", "item": "q", "question": "a\u0085b", "text": "c\u2028d"}
    write_text(tmp_path / "s.answers.jsonl", json.dumps(row, ensure_ascii=False) + "\n\n")
    assert list(answers_page.generated(tmp_path / "s.answers.jsonl")) == [row]
