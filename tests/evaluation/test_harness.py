"""A real run of lm-evaluation-harness on local files, and its figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medft.data.heldout import benchmark_questions
from medft.errors import ConfigError, DataError
from medft.evaluation import harness
from medft.evaluation.asking import System
from medft.evaluation.config import HarnessConfig

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
metadata:
  version: 1.0
"""


@pytest.fixture
def config(tmp_path: Path) -> HarnessConfig:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "local_pairs.yaml").write_text(LOCAL)
    (tmp_path / "data").mkdir()
    rows = [{"question": f"Is {i} more than four?", "gold": ("yes", "no")[i < 5]} for i in range(10)]
    (tmp_path / "data" / "local_pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return HarnessConfig(("local_pairs",), task_files=tmp_path / "tasks", data=tmp_path / "data")


def test_base_and_tuned_run_through_the_harness(
    config: HarnessConfig, systems: list[System], tmp_path: Path
) -> None:
    opened = harness.open_harness(config, tmp_path)
    scores = {system.name: harness.ask(opened, system, None, 0) for system in systems}
    for system in systems:
        assert scores[system.name] == {"local_pairs": _by_hand(system, config)}
    figures, extras = harness.figures(scores, 0)
    assert [f.group for f in figures] == ["local_pairs", "all tasks"]
    mean = sum(scores["base"]["local_pairs"]) / 10
    assert figures[0].systems["base"].value == pytest.approx(mean)
    assert extras["accuracy, unweighted mean of tasks"]["base"] == pytest.approx(mean)
    assert "lm-evaluation-harness 0." in harness.described(opened)[0]


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
    figures, extras = harness.figures(scores, 0)
    assert figures[-1].systems["base"].value == pytest.approx(0.9)
    assert extras["accuracy, unweighted mean of tasks"] == {"base": 0.75, "tuned": 0.5}


def test_an_unknown_task_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no task 'medmcqaa'"):
        harness.open_harness(HarnessConfig(("medmcqaa",)), tmp_path)


def test_pubmedqa_needs_its_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no rows"):
        harness.open_harness(HarnessConfig((harness.PUBMEDQA,)), tmp_path)


def test_pubmedqa_keeps_the_test_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medft.data.keys import same_words

    row = {"CONTEXTS": ["c"], "final_decision": "yes", "LONG_ANSWER": "l"}
    rows = {"1": {**row, "QUESTION": "Does it help?"}, "2": {**row, "QUESTION": "Does it harm?"}}
    (tmp_path / "ori_pqal.json").write_text(json.dumps(rows))
    monkeypatch.setitem(benchmark_questions(), same_words("Does it help?"), "PubMedQA")
    written = harness.write_pubmedqa(tmp_path, tmp_path)
    assert [json.loads(line)["PMID"] for line in written.read_text().splitlines()] == ["1"]
