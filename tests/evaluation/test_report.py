"""What a reader of an evaluation sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medft.evaluation import report
from medft.evaluation.measures import Measure, perplexity, summarize
from medft.files import write_json

BASE, TUNED = [True] * 10 + [False] * 30, [True] * 39 + [False]


def _suite(name: str = "pubmedqa") -> dict[str, Any]:
    hits = summarize(Measure("accuracy, generated", "share", {"base": BASE, "tuned": TUNED}), 0)
    loss = Measure("loss", "mean", {"base": [7.0, 8.0], "tuned": [9.0, 9.5]}, [3, 5], higher_is_better=False)
    same = summarize(
        Measure("macro F1", "mean", {"base": [0.1, 0.9], "tuned": [0.9, 0.1]}, group="part | a"), 0
    )
    confusion = {
        "rows": ["yes"],
        "columns": ["yes", "unparsable"],
        "counts": {"base": [[1, 2]], "tuned": [[3, 0]]},
    }
    return {
        "suite": name, "date": "2026-11-20", "tiny": True, "weights": "merged", "asked": 40,
        "left_out": {"no label": 3}, "notes": ["Wording: its own."],
        "figures": [f.to_json() for f in (hits, summarize(loss, 0), perplexity(loss, 0), same)],
        "extras": {"majority baseline": 0.552, "generated": confusion,
                   "retrieval": {"recall@1": 0.5, "questions": 4}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    write_json(folder / "pubmedqa.json", _suite())
    report.write_report(folder, "Evaluation of r")
    return folder


def test_the_first_table_says_what_became_better_worse_or_neither(written: Path) -> None:
    text = (written / "report.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| pubmedqa"))
    assert row == "| pubmedqa | accuracy, generated | loss perplexity | part \\| a: macro F1 |"
    assert (
        text.index("They do not make it fit")
        < text.index("| suite | better | worse |")
        < text.index("## pub")
    )


def test_a_system_is_held_against_the_majority_baseline() -> None:
    said = report.remarks(_suite())
    assert said[0] == "majority baseline: 0.552. Significantly above it: tuned (accuracy, generated)."
    assert "retrieval: recall@1 0.500, questions 4." in said
    assert "Not asked: 3 no label." in said


def test_metrics_with_intervals_and_differences_in_words() -> None:
    table = report.metrics_table(_suite())
    assert table.columns == ("part", "metric", "base", "tuned", "tuned - base")
    _, name, base, _, difference = table.rows[0]
    assert (name, base) == ("accuracy, generated", "0.250 [0.142, 0.402]")
    assert difference.startswith("better (+0.725 [")
    assert difference.endswith("p < 0.001)")
    assert table.rows[1][4].startswith("worse (+1.688 [")
    assert table.rows[2][2] == "2,049 [1,097, 2,981]"  # exp of 7.625, 7 and 8
    assert table.rows[3][4].startswith("no significant change")


def test_the_page_has_the_confusion_of_every_system(written: Path) -> None:
    text = (written / "report.md").read_text()
    assert "| base | yes | 1 | 2 |" in text
    assert "| tuned | yes | 3 | 0 |" in text
    assert "<td>tuned</td>" in (written / "report.html").read_text().replace("\n", "")
