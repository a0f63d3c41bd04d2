"""What a reader of an evaluation sees."""

from __future__ import annotations

from typing import Any

import pytest

from medft.evaluation import report
from medft.evaluation.measures import Measure, perplexity, statistic, summarize
from medft.files import write_json
from medft.runs import RunDir

BASE, TUNED = [True] * 10 + [False] * 30, [True] * 39 + [False]
LOSSES = {"base": [7.0 + i % 5 / 10 for i in range(40)], "tuned": [8.5 + i % 7 / 10 for i in range(40)]}


def _suite(name: str = "pubmedqa") -> dict[str, Any]:
    hits = summarize(Measure("accuracy, generated", "share", {"base": BASE, "tuned": TUNED}), 0)
    loss = Measure("loss", "mean", LOSSES, [3, 5] * 20, higher_is_better=False)
    few = summarize(
        Measure("macro F1", "mean", {"base": [0.1, 0.9], "tuned": [0.9, 0.2]}, group="part | a"), 0
    )
    same = summarize(Measure("repetition", "mean", {"base": [0.0] * 40, "tuned": [0.0] * 40}), 0)
    confusion = {
        "rows": ["yes"],
        "columns": ["yes", "unparsable"],
        "counts": {"base": [[1, 2]], "tuned": [[3, 0]]},
    }
    return {
        "suite": name, "date": "2026-11-20", "tiny": True, "weights": "merged", "asked": 40,
        "left_out": {"no label": 3}, "notes": ["Wording: its own."],
        "figures": [f.to_json() for f in (hits, summarize(loss, 0), perplexity(loss, 0), few, same)],
        "extras": {"majority baseline": 0.552, "generated": confusion,
                   "retrieval": {"recall@1": 0.5, "questions": 4}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    run = RunDir(tmp_path_factory.mktemp("run"))
    write_json(run.evaluation / "pubmedqa.json", _suite())
    report.write_report(run, "Evaluation of r")
    return run


def test_the_first_table_says_what_became_of_each_metric_and_by_how_much(written: RunDir) -> None:
    text = (written.evaluation / "report.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| pubmedqa")]
    said = dict(row.removeprefix("| pubmedqa | ").split(" | ", 1) for row in rows)
    better, worse, unchanged, few = said.values()
    assert list(said) == ["better", "worse", "no significant change", "too few items"]
    assert "accuracy, generated +0.725 \\[+0.572, +0.839" in better
    assert "loss +1.5" in worse and "perplexity" not in "".join(rows)
    assert "repetition +0.000 \\[not estimable" in unchanged
    assert "macro F1 +0.050" in few
    assert text.index("They do not make it suitable") < text.index("| suite |") < text.index("## pub")


def test_a_system_is_held_against_the_majority_baseline() -> None:
    said = report.remarks(_suite())
    assert said[0] == "majority baseline: 0.552. Whole interval above it: tuned (accuracy, generated)."
    assert "retrieval: recall@1 0.500, questions 4." in said
    assert "Left out: 3 (no label)." in said


def test_only_accuracies_over_enough_and_all_items_are_held_against_a_baseline() -> None:
    suite, right = _suite(), [True] * 10
    surest = statistic(
        "accuracy of the surest 50%", {s: lambda rows: 1 - len(rows) / 1e6 for s in ("base", "tuned")},
        [range(40)], 0,
    )  # fmt: skip
    few = summarize(Measure("acc", "share", {"base": right, "tuned": right}, group="task"), 0)
    suite["figures"] = [surest.to_json(), few.to_json()]
    suite["extras"] = {"majority baseline": 0.55, "task: majority baseline": 0.55}
    assert report.remarks(suite)[:2] == [
        "majority baseline: 0.550. Whole interval above it: none.",
        "task: majority baseline: 0.550. Whole interval above it: none.",
    ]


def test_a_reader_is_told_how_many_items_would_have_shown_the_difference() -> None:
    [power] = [line for line in report.remarks(_suite()) if "power" in line]
    assert "part | a: macro F1 " in power and "loss" not in power
    assert all(
        int(each.split()[-1].strip(".").replace(",", "")) >= 20
        for each in power.split(": ", 1)[1].split(", ")
    )


def test_metrics_with_intervals_and_differences_in_words() -> None:
    table = report.metrics_table(_suite())
    assert table.columns == ("part", "metric", "base", "tuned", "tuned - base", "verdict")
    _, name, base, _, difference, verdict = table.rows[0]
    assert (name, base) == ("accuracy, generated", "0.250 [0.127, 0.412]")
    assert difference == "+0.725 [+0.572, +0.839]"
    assert verdict == "better, p < 0.001"
    assert table.rows[1][5].startswith("worse, p < 0.001")
    assert table.rows[2][1:3] == ("perplexity (lower is better)", "1,339 [1,278, 1,404]")
    assert table.rows[2][4:] == ("", "")  # the same question as the loss
    assert table.rows[3][5] == "too few items: 2 independent"


def test_the_page_has_the_confusion_of_every_system(written: RunDir) -> None:
    text = (written.evaluation / "report.md").read_text()
    assert "| base | yes | 1 | 2 |" in text
    assert "| tuned | yes | 3 | 0 |" in text
    assert "<td>tuned</td>" in (written.evaluation / "report.html").read_text().replace("\n", "")
