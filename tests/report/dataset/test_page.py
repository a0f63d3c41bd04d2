"""The page, the JSON, the words and the terminal rows of an examination."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from medft.data.examination.examine import Report, examine
from medft.data.examination.findings import DatasetFinding
from medft.prompt.preview import Check, Piece, Preview
from medft.report.dataset.page import WITH_TEXT, WITHOUT_TEXT, write_data_report
from medft.report.dataset.preview import painted
from medft.report.dataset.text import Prompts, lines, worst_first
from tests.data.support import dataset, jsonl, prepared, qa
from tests.report.test_html import HOSTILE, tags

PROMPTS = Prompts("medical_qa", 11, "somebody's tokenizer", "Tokens are those of a twin.")
PREVIEW = Preview(
    id="test:7",
    tokens=4,
    loss_tokens=2,
    pieces=(
        Piece("<s>", "special"),
        Piece(f"{HOSTILE}\nWhy?", "prompt"),
        Piece(" Be\x1b[31mcause", "learnt"),
        Piece("</s>", "stop"),
    ),
    checks=(Check("one BOS", True, "1, at the start"), Check("not cut", False, "after token 4 of 9")),
    note="Masked here: 1 date.",
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("page")
    rows = [*qa(60), {"question": "Blank?", "answer": ""}]
    done = prepared(dataset(path=jsonl(folder / "x.jsonl", rows)), folder)
    return examine(done, lambda batch: [(len(r.answer.split()), 3) for r in batch], max_length=11)


def written(report: Report, folder: Path, *previews: Preview) -> tuple[str, str]:
    write_data_report(report, PROMPTS, previews, folder)
    return (folder / "report.html").read_text(), (folder / "report.json").read_text()


def test_the_page_holds_findings_figures_and_pictures(report: Report, tmp_path: Path) -> None:
    html, _ = written(report, tmp_path)
    assert "60 rows (100.0%) are longer than 11 tokens" in html
    assert "blank answer" in html and "somebody&#39;s tokenizer" in html
    assert PROMPTS.note in html
    assert [tag for tag, _ in tags(html) if tag in ("svg", "img", "polygon")] == ["svg", *["polygon"] * 3]
    assert "<td>Length of questions</td>" in html, "labels are spelt out"


def test_no_text_of_the_data_unless_rows_were_asked_for(report: Report, tmp_path: Path) -> None:
    html, values = written(report, tmp_path)
    assert WITHOUT_TEXT in html and WITH_TEXT not in html
    assert "word1x1" not in html + values and "shown" not in json.loads(values)


def test_rows_are_shown_escaped_and_marked_with_their_checks(report: Report, tmp_path: Path) -> None:
    html, values = written(report, tmp_path, PREVIEW)
    assert WITH_TEXT in html and PREVIEW.note in html
    assert not [tag for tag, _ in tags(html) if tag == "script"]
    assert '<span class="strong">&lt;/s&gt;</span>' in html
    assert '<span class="mark"> Be' in html
    assert "after token 4 of 9" in html
    assert json.loads(values)["shown"][0]["id"] == "test:7"


def test_json_is_the_report(report: Report, tmp_path: Path) -> None:
    values = json.loads(written(report, tmp_path)[1])
    assert values["ledger"]["totals"]["rows_in"] == 61
    assert values["tokens"] == {"max_length": 11, "rows_over": 60, "tokens": 720, "loss_tokens": 180}
    assert values["prompts"]["tokenizer"] == PROMPTS.tokenizer


def test_words_tell_the_figures(report: Report) -> None:
    told = dict(lines(report, PROMPTS))
    assert told["rows"].startswith("61 in -> ")
    assert told["dropped"] == "1 blank answer"
    assert (
        told["tokens"] == "720 by somebody's tokenizer, 25.0% of them carry loss; 60 rows are longer than 11"
    )
    assert told["length"] == "12 tokens at the median, 12 at 95%, 12 at most"
    assert told["duplicates"] == "every answer is unique"


def test_without_tokens_the_words_say_so(report: Report) -> None:
    told = dict(lines(replace(report, tokens=None), PROMPTS))
    assert told["tokens"] == "not counted"


def test_the_worst_stands_first() -> None:
    mixed = [
        DatasetFinding("note", "a"),
        DatasetFinding("problem", "b"),
        DatasetFinding("warning", "c"),
        DatasetFinding("problem", "d"),
    ]
    assert [finding.what for finding in worst_first(mixed)] == ["b", "d", "c", "a"]


def test_a_row_in_colours_is_green_where_it_carries_loss() -> None:
    said = painted(PREVIEW, colors=True)
    assert "\x1b[2m<s>\x1b[0m" in said
    assert "\x1b[32m Be\ufffd[31mcause\x1b[0m\x1b[1;7;32m</s>\x1b[0m" in said
    assert "FAIL  not cut: after token 4 of 9" in said


def test_a_row_without_colours_is_bracketed_and_commands_no_terminal() -> None:
    said = painted(PREVIEW, colors=False)
    assert "\x1b" not in said
    assert "Why?⟦ Be\ufffd[31mcause</s>⟧" in said
    assert PREVIEW.note in said


def test_counts_by_kind_have_their_shares(report: Report, tmp_path: Path) -> None:
    html, _ = written(report, tmp_path)
    row = '<td>dropped</td>\n<td>blank answer</td>\n<td class="number">1</td>\n<td class="number">1.6%</td>'
    assert row in html


def test_rows_that_were_dropped_are_named_with_their_setting(report: Report, tmp_path: Path) -> None:
    html, values = written(report, tmp_path)
    assert "x.jsonl:61" in html and "dataset.cleaning.drop_blank_answers=false" in html
    (kind,) = json.loads(values)["noted"]
    assert kind == {
        "what": "blank_answer", "done": "dropped", "rows": 1, "first": [{"row": "x.jsonl:61", "text": ""}],
    }  # fmt: skip


def test_the_seconds_of_each_step_stand_on_the_page(report: Report, tmp_path: Path) -> None:
    html, values = written(report, tmp_path)
    assert "step or check" in html
    assert {"reading", "splitting", "whitespace", "overlap"} <= json.loads(values)["costs"].keys()


def test_classes_are_counted_by_split(report: Report, tmp_path: Path) -> None:
    classes = {
        "neutral": {"train": 6, "validation": 1, "test": 1},
        "entailment": {"train": 2, "validation": 0, "test": 1},
    }
    labelled = replace(report, classes=classes)
    html, _ = written(labelled, tmp_path)
    assert "6 (75.0%)" in html and "1 (50.0%)" in html
    assert dict(lines(labelled, PROMPTS))["classes"] == (
        "neutral 6/1/1, entailment 2/0/1 (train/validation/test)"
    )
