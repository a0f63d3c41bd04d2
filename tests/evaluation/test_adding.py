"""The recipes "a metric", "a suite" and "a kind of suite" of CONTRIBUTING.md, followed to the letter."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from medft.compose import settings, with_config_dir
from medft.data.record import Record
from medft.errors import ConfigError
from medft.evaluation import metrics, suites
from medft.evaluation.asking import System
from medft.evaluation.config import KINDS, SuiteConfig
from medft.evaluation.context import Context
from medft.evaluation.questions import Items
from medft.evaluation.report import metrics_table, write_report
from medft.evaluation.run import QuestionSuite
from medft.inference.dialogue import templates
from medft.inference.generation import Sampling
from medft.runs import RunDir

QA = templates()["medical_qa"]
OWN = tuple(
    Record(f"q{i}", "s", "qa", "en", question=f"What is disease {i}?", answer=f"It is illness {i}.")
    for i in range(4)
)
WARDS = """\
# @package suite.wards
# Yes or no to the questions of our wards.
defaults:
  - /dataset@dataset: csv
  - /template@template: medical_qa
  - _self_
kind: labels
labels: ["yes", "no"]
max_new_tokens: 4
dataset:
  name: wards
  path: {path}
  columns: {{question: asked, label: right, answer: null}}
"""
EXACT = '''\
"""Answers that are the reference to the letter."""

from medft.evaluation.measures import Measure, summarize
from medft.evaluation.questions import Question, prompt, words_for
from medft.evaluation.suites.base import QuestionSet, Result, by_system, common


def ask(config, items, template):
    """One question per record."""
    words = [words_for(record, template, config.template) for record in items.records]
    pairs = zip(items.records, words, strict=True)
    return QuestionSet(tuple(Question(record.id, prompt(record, w), record.answer) for record, w in pairs))


def score(config, asked, answers, seed):
    """Share of exact matches."""
    questions = common(asked.questions, answers)
    hits = by_system(answers, questions, lambda each, q: each.replies[q.id].text == q.reference)
    return Result((summarize(Measure("exact match", "share", hits), seed),))
'''


def bleu(answer: str, reference: str) -> float:
    """BLEU (Papineni et al. 2002) of one answer, 0 to 1, over the n-grams that it is long enough for."""
    from sacrebleu.metrics import BLEU

    return float(BLEU(effective_order=True).sentence_score(answer, [reference]).score) / 100


def _finished(config: SuiteConfig, own: tuple[Record, ...], systems: list[System], folder: Path) -> list[str]:
    """The columns `metric` and `base` of the suite's table."""
    context = Context(QA, own, (), Sampling(), RunDir(folder).evaluation, 0, True, "r")
    suite = QuestionSuite("mine", config, context)
    for system in systems:
        suite.ask(system, lambda *_: None)
    table = metrics_table(suite.finish(lambda *_: None))
    name, value = table.columns.index("metric"), table.columns.index("base")
    return [f"{row[name]}: {row[value].split()[0]}" for row in table.rows]


def test_a_metric_is_a_function_and_a_line(
    tmp_path: Path, systems: list[System], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(metrics.AGAINST_REFERENCE, "BLEU", bleu)
    found = _finished(SuiteConfig("text", max_new_tokens=6), OWN, systems, tmp_path)
    answers = (tmp_path / "evaluation" / "mine.answers.jsonl").read_text()
    lines = [json.loads(line) for line in answers.splitlines()]
    texts = [(row["text"], row["gold"]) for row in lines if row["system"] == "base" and "text" in row]
    assert len(texts) == 4
    assert f"BLEU: {sum(bleu(*pair) for pair in texts) / 4:.3f}" in found
    assert bleu(OWN[0].answer, OWN[0].answer) == pytest.approx(1)
    write_report(RunDir(tmp_path), "Mine")
    assert "BLEU" in (tmp_path / "evaluation" / "report.md").read_text()


BLEU = '''\
def bleu(answer: str, reference: str) -> float:
    """BLEU (Papineni et al. 2002) of one answer, 0 to 1, over the n-grams that it is long enough for."""
    from sacrebleu.metrics import BLEU

    return float(BLEU(effective_order=True).sentence_score(answer, [reference]).score) / 100
'''
HELDOUT_BLEU = """\
# @package suite.heldout_bleu
# The run's own test split, with BLEU.
kind: text
max_new_tokens: 6
metrics:
  BLEU:
    function: {function}
    higher_is_better: true
  distance:
    function: medft.evaluation.metrics:token_f1
    higher_is_better: false
"""


def test_a_metric_of_ones_own_is_a_name_in_a_suite(tmp_path: Path, systems: list[System]) -> None:
    (tmp_path / "my_metrics.py").write_text(BLEU)
    (tmp_path / "conf" / "suite").mkdir(parents=True)
    suite = tmp_path / "conf" / "suite" / "heldout_bleu.yaml"
    suite.write_text(HELDOUT_BLEU.format(function=tmp_path / "my_metrics.py:bleu"))
    overrides = with_config_dir(["suite=heldout_bleu", "--config-dir", str(tmp_path / "conf")])
    config = settings("evaluate", overrides).suite["heldout_bleu"]
    found = _finished(config, OWN, systems, tmp_path / "evaluation")
    lines = (tmp_path / "evaluation" / "mine.answers.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["kind"] == "generated" and row["system"] == "base"]
    assert f"BLEU: {sum(bleu(row['text'], row['gold']) for row in rows) / 4:.3f}" in found
    assert any(line.startswith("distance (lower is better)") for line in found)
    no_function = "medft.evaluation.metrics:UNPARSABLE"
    for function in ("nowhere:bleu", f"{tmp_path}/none.py:bleu", "no_such_entry", no_function):
        overrides.append(f"suite.heldout_bleu.metrics.BLEU.function={function}")
        wrong = settings("evaluate", overrides).suite["heldout_bleu"]
        with pytest.raises(ConfigError, match="'BLEU' cannot be computed"):
            _finished(wrong, OWN, systems, tmp_path / "wrong")


def test_a_suite_is_a_file(tmp_path: Path, systems: list[System]) -> None:
    rows = [f"Is {i} high?,{'yes' if i % 4 else 'no'}\n" for i in range(8)]
    (tmp_path / "wards.csv").write_text("asked,right\n" + "".join(rows))
    own = tmp_path / "conf" / "suite"
    own.mkdir(parents=True)
    (own / "wards.yaml").write_text(WARDS.format(path=tmp_path / "wards.csv"))
    overrides = with_config_dir(["suite=wards", "--config-dir", str(own.parent)])
    config = settings("evaluate", overrides).suite["wards"]
    found = _finished(config, (), systems, tmp_path / "out")
    assert [line.split(":")[0] for line in found] == [
        "accuracy, likelihood", "macro F1, likelihood", "accuracy, generated", "macro F1, generated",
        "unparsable (lower is better)", "Brier score (lower is better)",
        "calibration error (ECE) (lower is better)", "accuracy of the surest 50%",
    ]  # fmt: skip
    written = json.loads((tmp_path / "out" / "evaluation" / "mine.json").read_text())
    assert written["extras"]["majority baseline"] == 0.75


def test_a_kind_of_suite_is_a_module_and_a_line(
    tmp_path: Path, systems: list[System], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exact.py").write_text(EXACT)
    monkeypatch.setattr(suites, "__path__", [*suites.__path__, str(tmp_path)])
    monkeypatch.setitem(KINDS, "exact", ())
    system, sampling = systems[0], Sampling(4)
    prompts = [
        system.session.prompt(q.prompt, 4)
        for q in suites.kind_called("exact").ask(SuiteConfig("exact"), Items(OWN, OWN, {}), QA).questions
    ]
    replies = system.session.replies(system.model, prompts, sampling)
    own = (replace(OWN[0], answer=replies[0].text), *OWN[1:])
    found = _finished(SuiteConfig("exact", max_new_tokens=4), own, systems, tmp_path / "out")
    assert found == ["exact match: 0.250"]
