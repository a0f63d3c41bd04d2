"""A real run of lm-evaluation-harness on local files, and its metrics."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from medft.data.cleaning.benchmarks import benchmark_questions
from medft.errors import ConfigError, DataError
from medft.evaluation import harness
from medft.evaluation.answers import AnswerFile
from medft.evaluation.asking import System
from medft.evaluation.config import HarnessConfig
from medft.evaluation.harness import HarnessResult
from medft.evaluation.harness_tasks import PUBMEDQA, open_harness, write_pubmedqa
from tests.support.killed import die, until_killed

pytest.importorskip("lm_eval", reason="the extra lm-eval is not installed: the harness is NOT TESTED")

LOCAL = """
task: local_pairs
dataset_path: json
output_type: multiple_choice
test_split: test
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: gold
doc_to_choice: ["yes", "no", "maybe"]
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
  - metric: acc_norm
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
"""


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one task; the same for all tests, since the harness reads thousands of files for each."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "local_pairs.yaml").write_text(LOCAL)
    return folder


@pytest.fixture
def config(tasks: Path, tmp_path: Path) -> HarnessConfig:
    rows = [{"question": f"Is {i} more than four?", "gold": ("yes", "no")[i < 5]} for i in range(10)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "local_pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return HarnessConfig(("local_pairs",), task_files=tasks, data=tmp_path / "data")


def _silent(what: str, done: int, total: int) -> None:
    """Nobody looks."""


def test_base_and_tuned_run_through_the_harness_and_a_kill_costs_nothing(
    config: HarnessConfig, systems: list[System], tmp_path: Path
) -> None:
    opened = open_harness(config, tmp_path)
    path = tmp_path / "suite.answers.jsonl"

    def kill(what: str, done: int, total: int) -> None:
        assert total == 30
        if done == 20:
            die()

    until_killed(lambda: harness.ask(opened, systems[0], None, 0, AnswerFile(path), kill))
    kept = path.read_text()
    assert kept.count("\n") == 20

    asked: list[str] = []
    file = AnswerFile(path)
    judged = {
        system.name: harness.ask(opened, system, None, 0, file, lambda what, done, total: asked.append(what))
        for system in systems
    }
    assert asked == ["base loglikelihood"] * 10 + ["tuned loglikelihood"] * 30
    assert path.read_text().startswith(kept)
    for system in systems:
        assert judged[system.name].scores["local_pairs"]["acc"] == _by_hand(system, config)
        assert set(judged[system.name].scores["local_pairs"]) == {"acc", "acc_norm"}
        assert judged[system.name].cut == 0
    file.keep([pair for each in judged.values() for pair in each.lines.items()])
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == 60
    first = next(row for row in rows if (row["item"], row["candidate"]) == ("local_pairs/0", "no"))
    assert "Is 0 more than four?" in first["question"]
    assert (first["gold"], first["kind"]) == ("no", "loglikelihood")
    assert harness.described(opened)[0].startswith("lm-evaluation-harness 0.")


def test_what_is_cut_is_counted(config: HarnessConfig, systems: list[System], tmp_path: Path) -> None:
    assert config.data is not None
    rows = [{"question": "fever " * 900, "gold": "yes"}, {"question": "Is it?", "gold": "no"}]
    (config.data / "local_pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    opened = open_harness(config, tmp_path)
    file = AnswerFile(tmp_path / "a.jsonl")
    for _ in range(2):  # also when the answers were on disk
        assert harness.ask(opened, systems[0], None, 0, file, _silent).cut == 3


def _by_hand(system: System, config: HarnessConfig) -> list[float]:
    """The most likely of the three continuations after the chat template's prompt, scored one by one."""
    import torch

    assert config.data is not None
    session, hits = system.session, []
    for line in (config.data / "local_pairs.jsonl").read_text().splitlines():
        row = json.loads(line)
        turn = [{"role": "user", "content": f"Question: {row['question']}\nAnswer:"}]
        prompt = session.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        sums = []
        for choice in ("yes", "no", "maybe"):
            start = session.tokenizer(prompt, add_special_tokens=False)["input_ids"]
            whole = session.tokenizer(f"{prompt}{choice}", add_special_tokens=False)["input_ids"]
            with session.using(system.model) as model, torch.no_grad():
                logits = torch.log_softmax(model(torch.tensor([whole])).logits[0].float(), -1)
            sums.append(sum(float(logits[i - 1, whole[i]]) for i in range(len(start), len(whole))))
        hits.append(float(("yes", "no", "maybe")[sums.index(max(sums))] == row["gold"]))
    return hits


def test_means_over_tasks_weighted_and_not() -> None:
    scores = {"base": {"a": [1.0, 0.0], "b": [1.0] * 8}, "tuned": {"a": [1.0, 1.0], "b": [0.0] * 8}}
    judged = {
        system: HarnessResult({task: {"acc": values} for task, values in each.items()}, {}, {}, 0)
        for system, each in scores.items()
    }
    *_, weighted, unweighted = harness.task_metrics(judged, 0)
    assert (weighted.name, unweighted.name) == ("acc, weighted by items", "acc, mean of tasks")
    assert weighted.systems["base"].value == pytest.approx(0.9)
    assert {name: e.value for name, e in unweighted.systems.items()} == {"base": 0.75, "tuned": 0.5}
    base = unweighted.systems["base"]  # the variance of task a is 1/4, that of its mean half a quarter more
    assert base.low is not None and base.low == pytest.approx(0.75 - 2.262 * 0.25, abs=0.01)
    assert unweighted.differences["tuned - base"].value == -0.25
    alone = {system: replace(each, scores={"a": each.scores["a"]}) for system, each in judged.items()}
    assert [metric.group for metric in harness.task_metrics(alone, 0)] == ["a"]  # not the same figure thrice


def test_metrics_keep_the_harness_names_and_directions() -> None:
    """A task of perplexities is not called accuracy, nor is more of it better."""
    up = {("lm", "word_perplexity"): False, ("qa", "acc"): True, ("qa", "acc_norm"): True}
    scores = {"lm": {"word_perplexity": [9.0, 8.0]}, "qa": {"acc": [1.0, 0.0], "acc_norm": [1.0, 1.0]}}
    found = harness.task_metrics({"base": HarnessResult(scores, up, {}, 0)}, 0)
    assert [(f.group, f.name, f.higher_is_better) for f in found] == [
        ("lm", "word_perplexity", False), ("qa", "acc", True), ("qa", "acc_norm", True),
    ]  # fmt: skip


def test_an_unknown_task_is_an_error(tasks: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no task 'medmcqaa'"):
        open_harness(HarnessConfig(("medmcqaa",), task_files=tasks), tmp_path)


def test_rows_that_cannot_be_had_are_an_error(
    tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="are not available"):
        open_harness(HarnessConfig(("arc_easy",), task_files=tasks), tmp_path)


def test_pubmedqa_needs_its_rows(tasks: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no rows"):
        open_harness(HarnessConfig((PUBMEDQA,), task_files=tasks), tmp_path)


def test_pubmedqa_keeps_the_test_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medft.data.cleaning.keys import same_words

    row = {"CONTEXTS": ["c"], "final_decision": "yes", "LONG_ANSWER": "l"}
    rows = {"1": {**row, "QUESTION": "Does it help?"}, "2": {**row, "QUESTION": "Does it harm?"}}
    (tmp_path / "ori_pqal.json").write_text(json.dumps(rows))
    monkeypatch.setitem(benchmark_questions(), same_words("Does it help?"), "PubMedQA")
    written = write_pubmedqa(tmp_path, tmp_path)
    assert [json.loads(line)["PMID"] for line in written.read_text().splitlines()] == ["1"]
