"""The figure of what is in a data set: what its bars count, and that it is drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medft.data.examination.examine import Report, examine
from medft.data.examination.languages import Languages
from medft.report.dataset.bars import MOST, Panel, draw_bars, panels
from tests.data.support import dataset, jsonl, prepared, qa


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("bars")
    shared = [{"question": f"Asked {n}?", "answer": "See your doctor on 2020-01-31."} for n in range(8)]
    rows = [*qa(60), *shared, {"question": "Blank?", "answer": ""}]
    done = prepared(dataset(path=jsonl(folder / "x.jsonl", rows)), folder)
    return examine(done, lambda batch: [(20, 5) for _ in batch], max_length=11)


def drawn(report: Report) -> dict[str, Panel]:
    return {panel.title: panel for panel in panels(report) if panel.bars}


def counts(panel: Panel) -> dict[str, int]:
    return {bar.name: bar.count for bar in panel.bars}


def test_rows_kept_and_dropped_are_the_rows_in(report: Report) -> None:
    rows = counts(drawn(report)["What became of 69 rows"])
    assert rows == {"train": 53, "validation": 6, "test": 6, "boilerplate": 3, "blank answer": 1}
    assert sum(rows.values()) == 69


def test_every_kind_of_figure_has_its_bars(report: Report) -> None:
    found = drawn(report)
    assert counts(found["1,300 tokens"]) == {"carry loss": 325, "prompt": 975}
    assert counts(found["Answers of 65 rows"]) == {"of one row": 60, "of several rows": 5}
    assert counts(found["Patterned identifiers"]) == {"date": 8}
    assert set(counts(found["Of 12 held-out rows, in train too"]).values()) == {0}
    assert set(counts(found["Of 12 held-out rows, near train"]).values()) == {0}
    assert not [title for title in found if title.startswith(("Sources", "Tasks"))], "one is no comparison"


def test_shares_are_of_the_rows_that_were_looked_at(report: Report) -> None:
    found = replace(report.overlap, held_out_rows=3000, same_question=300, sampled=2000, near=100)
    panels_ = drawn(replace(report, overlap=found))
    assert counts(panels_["Of 3,000 held-out rows, in train too"])["same question"] == 300
    assert counts(panels_["Of 2,000 held-out rows, near train"])["half of its 8-grams"] == 100


def test_what_was_not_counted_has_no_panel(report: Report) -> None:
    assert not [title for title in drawn(replace(report, tokens=None)) if "oken" in title]


def test_many_kinds_are_summed_into_a_last_bar(report: Report) -> None:
    many = Languages(100, {f"l{n}": 20 - n for n in range(12)}, 0)
    bars = counts(drawn(replace(report, languages=many))["Languages of 100 rows"])
    assert len(bars) == MOST + 1 and bars["4 more"] == 12 + 11 + 10 + 9


def test_the_figure_is_the_same_every_time(report: Report, tmp_path: Path) -> None:
    first, again = (draw_bars(report, tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert first == again and len(first) > 5000
