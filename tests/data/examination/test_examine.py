"""The statistics of a data set against data whose faults are planted and counted."""

import json

import numpy as np
import pytest

from medft.data.examination.examine import Report, examine
from medft.data.examination.overlap import RECURRING, overlap
from tests.data.support import FIXTURES, dataset, jsonl, prepared, qa, record

PHONE = "555-123-4567"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Report:
    folder = tmp_path_factory.mktemp("examine")
    rows = [
        *qa(100),
        *({"question": f"Asked {n}?", "answer": "See your doctor."} for n in range(8)),
        {"question": "Whom do I call?", "answer": f"The ward at {PHONE}, before 2020-01-31."},
        {"question": "Blank?", "answer": ""},
    ]
    done = prepared(dataset(path=jsonl(folder / "x.jsonl", rows)), folder)
    return examine(done, lambda batch: [(len(r.answer.split()), 1) for r in batch], max_length=11)


def test_it_tells_the_same_as_the_ledger(report):
    assert report.ledger["totals"]["rows_in"] == 110
    assert report.ledger["totals"]["dropped"] == {"blank_answer": 1, "boilerplate": 3}
    assert sum(report.tasks[split]["qa"] for split in report.tasks) == 106


def test_lengths_are_those_of_every_row(report):
    answers = [len(row["answer"]) for row in qa(100)] + [len("See your doctor.")] * 5
    answers.append(len(f"The ward at {PHONE}, before 2020-01-31."))
    lengths = report.lengths["answer"]
    assert sum(lengths.counts) == 106
    assert lengths.percentiles["100%"] == max(answers)
    assert lengths.percentiles["50%"] == int(np.percentile(answers, 50, method="inverted_cdf"))
    assert "context" not in report.lengths


def test_answers_that_rows_still_share_are_counted(report):
    assert (report.repeats.answers, report.repeats.rows, report.repeats.most) == (1, 5, 5)


def test_tokens_are_counted_by_the_function_given(report):
    assert (report.tokens.rows_over, report.tokens.loss_tokens) == (100, 106)
    assert report.tokens.tokens == 100 * 12 + 5 * 3 + 6
    assert any("longer than 11 tokens" in finding.what for finding in report.findings)
    assert any("carry loss" in finding.what for finding in report.findings)


def test_identifiers_are_counted_and_never_told(report):
    assert report.ledger["sources"][0]["identifiers"] == {"date": 1, "phone": 1}
    assert any("1 phone" in finding.what for finding in report.findings)
    assert PHONE not in json.dumps(report.to_json())
    assert "2020" not in json.dumps(report.to_json())


def test_without_a_tokenizer_there_are_no_tokens(tmp_path):
    report = examine(prepared(dataset(path=jsonl(tmp_path / "x.jsonl", qa(10))), tmp_path))
    assert report.tokens is None
    assert "row" not in report.lengths


@pytest.mark.parametrize(("language", "unlike"), [("ko", 0), ("en", 5)])
def test_another_language_than_said_is_noticed(tmp_path, language, unlike):
    columns = {"question": "QUESTION", "context": "CONTEXTS", "answer": "LONG_ANSWER"}
    config = dataset(path=FIXTURES / "pubmedqa_ko.jsonl", columns=columns, language=language)
    report = examine(prepared(config, tmp_path))
    assert report.languages.unlike == (report.languages.sampled if unlike else 0)
    assert any("another language" in finding.what for finding in report.findings) == bool(unlike)


def test_overlap_is_exact_for_questions_and_answers_and_half_for_grams():
    words = [f"w{i}" for i in range(40)]

    def text(kept: int, name: str) -> str:
        return " ".join(words[:kept] + [f"{name}{i}" for i in range(40 - kept)])

    train = [record("One?", text(40, "a")), record("Two?", "Short answer.")]
    held_out = [
        record("one", "Something else."),
        record("Three?", "SHORT answer"),
        record("Four?", text(25, "b")),
        record("Five?", text(20, "c")),
    ]
    found = overlap(train, held_out, seed=0)
    assert (found.held_out_rows, found.same_question, found.same_answer) == (4, 1, 1)
    # "Short answer" is one shingle of its own; 18 of 33 grams are shared at 25 words, 13 at 20.
    assert (found.sampled, found.near, found.recurring) == (4, 2, 0)


def test_near_rows_are_told_apart_by_whether_the_passage_recurs():
    def text(passage: str, name: str) -> str:
        return " ".join([*(f"{passage}{i}" for i in range(30)), *(f"{name}{i}" for i in range(15))])

    often = [record(f"Q{n}?", text("common", f"t{n}x")) for n in range(RECURRING + 1)]
    train = [*often, record("Once?", text("rare", "once"))]
    held_out = [record("H1?", text("common", "h1x")), record("H2?", text("rare", "h2x"))]
    found = overlap(train, held_out, seed=0)
    assert (found.near, found.recurring) == (2, 1)


@pytest.mark.parametrize(("column", "remedy"), [(None, "dataset.columns.group"), ("id", "compare models")])
def test_the_remedy_for_near_rows_knows_whether_rows_have_a_group(tmp_path, column, remedy):
    shared = " ".join(f"w{i}" for i in range(30))
    rows = [
        {
            "id": str(n),
            "question": f"Q{n}?",
            "answer": f"{shared} {' '.join(f'own{n}x{i}' for i in range(20))}",
        }
        for n in range(40)
    ]
    columns = {"question": "question", "answer": "answer", "group": column}
    report = examine(prepared(dataset(path=jsonl(tmp_path / "x.jsonl", rows), columns=columns), tmp_path))
    (finding,) = (finding for finding in report.findings if "8-grams" in finding.what)
    assert finding.what == (
        "8 of 8 held-out rows (100.0%) share half of their 8-grams with train, "
        "8 of them through passages found in over 20 train rows"
    )
    assert remedy in finding.remedy


def test_a_group_too_large_to_hold_out_is_said(tmp_path):
    rows = [{**row, "topic": "asthma" if n < 12 else str(n)} for n, row in enumerate(qa(40))]
    columns = {"question": "question", "answer": "answer", "group": "topic"}
    report = examine(prepared(dataset(path=jsonl(tmp_path / "x.jsonl", rows), columns=columns), tmp_path))
    assert any(finding.what.startswith("12 rows (30.0%) form one group") for finding in report.findings)


def test_one_row_is_no_group_that_is_too_large(tmp_path):
    report = examine(prepared(dataset(path=jsonl(tmp_path / "x.jsonl", qa(1))), tmp_path))
    assert not any("too large" in finding.what for finding in report.findings)
    assert any("no test rows" in finding.what for finding in report.findings)


def test_a_leak_is_a_problem(tmp_path, monkeypatch):
    done = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", qa(10))), tmp_path)
    monkeypatch.setattr(type(done), "records", lambda self, split: iter([record()]))
    first = examine(done).findings[0]
    assert (first.level, first.what) == ("problem", "the question of 2 rows held out is also in train")
