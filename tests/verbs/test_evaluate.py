"""medft evaluate, from the command line to its files, on a tiny twin."""

from __future__ import annotations

import json
import shutil
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from medft.cli import main
from medft.evaluation.asking import System
from medft.files import read_json
from medft.inference import generation, likelihood
from medft.publish.card_sections import scores
from medft.runs import RunDir
from medft.runs.record import RunRecord
from medft.verbs import evaluate
from tests.support.small_encoder import write_encoder
from tests.support.trained_run import add_merged, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return make_run(tmp_path_factory.mktemp("evaluate"), "20261120-101500", 1)


def _evaluate(run: RunDir, *overrides: str) -> int:
    artifacts = run.root.parents[2]
    return main(
        ["evaluate", f"run={run.root}", f"artifacts={artifacts}", f"processed={artifacts}/p", *overrides]
    )


def _nli(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    labels = ("entailment", "neutral", "contradiction")
    for split in ("train", "test"):
        rows = [
            {"sentence1": f"{split} {i}", "sentence2": f"note {i}", "gold_label": labels[i % 3]}
            for i in range(6)
        ]
        (folder / f"mli_{split}_v1.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_base_and_tuned_are_scored_in_one_go(
    run: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _nli(tmp_path / "mednli")
    encoder = write_encoder(tmp_path / "encoder", ["train test note 0 1 2 3 4 5"])
    code = _evaluate(
        run, "suite=[heldout,nli_encoder]", "suite.heldout.limit=4", "suite.heldout.max_new_tokens=8",
        f"suite.nli_encoder.dataset.path={data}", "suite.nli_encoder.encoder.epochs=1",
        f"suite.nli_encoder.encoder.base={encoder}",
    )  # fmt: skip
    assert code == 0
    heldout = read_json(run.evaluation / "heldout.json")
    assert heldout["asked"] == 4
    assert {"base", "tuned"} == set(heldout["figures"][0]["systems"])
    loss = heldout["figures"][0]
    assert loss["systems"]["base"]["value"] != loss["systems"]["tuned"]["value"]
    nli = read_json(run.evaluation / "nli_encoder.json")
    assert {"base", "tuned", "encoder"} == set(nli["figures"][0]["systems"])
    assert nli["extras"]["majority baseline"] == pytest.approx(1 / 3)
    predictions = (run.evaluation / "nli_encoder.answers.jsonl").read_text()
    assert predictions.count('"kind": "predicted"') == 6
    assert nli["left_out"] == {"in another split of the source": 6}
    lines = [json.loads(line) for line in (run.evaluation / "heldout.answers.jsonl").read_text().splitlines()]
    assert len(lines) == 4 * 2 * 2
    report = (run.evaluation / "report.md").read_text()
    assert "no significant change" in report
    assert "tiny twin" in report
    assert "<table>" in (run.evaluation / "report.html").read_text()
    said = capsys.readouterr().out
    assert "majority baseline" in said
    assert "too few items" in said


def test_no_run_is_no_question(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "run=[]"]) == 2
    assert "no run is named" in capsys.readouterr().err


def test_merged_weights_answer_as_the_adapter_does(tmp_path: Path) -> None:
    run = make_run(tmp_path, "20261120-101501", 2, ("engine.load_in_4bit=false",))
    small = ["suite=heldout", "suite.heldout.limit=6", "suite.heldout.max_new_tokens=12"]
    assert _evaluate(run, *small, "weights=merged") != 0  # there are none yet
    add_merged(run, tmp_path)
    figures, answers = {}, {}
    for weights in ("adapter", "merged"):
        assert _evaluate(run, *small, f"weights={weights}") == 0
    for weights, name in (("adapter", "heldout"), ("merged", "heldout.merged")):  # neither replaces the other
        written = read_json(run.evaluation / f"{name}.json")
        assert (written["suite"], written["weights"]) == (name, weights)
        figures[weights] = written["figures"][0]["systems"]
        answers[weights] = _answers(run.evaluation / f"{name}.answers.jsonl")
    report = (run.evaluation / "report.md").read_text()
    assert "## heldout\n" in report and "## heldout.merged\n" in report
    assert {score.suite for score in scores(RunRecord(run))} == {"heldout", "heldout.merged"}
    assert figures["merged"]["base"] == figures["adapter"]["base"]  # the same 16-bit weights
    tuned = figures["adapter"]["tuned"]["value"]
    assert abs(tuned - figures["adapter"]["base"]["value"]) > 0.01
    assert figures["merged"]["tuned"]["value"] == pytest.approx(tuned, rel=2e-3)  # rounded to 16 bits once
    assert answers["merged"] == answers["adapter"]


def test_several_runs_are_asked_the_same_items_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        make_run(tmp_path, "20261120-101510", 1), make_run(tmp_path, "20261120-101511", 2, ("seed=5",)),
    ]  # fmt: skip
    words = f"run=[{','.join(str(run.root) for run in runs)}]"
    small = ["suite=heldout", "suite.heldout.limit=6", "suite.heldout.max_new_tokens=4"]
    common = [words, f"artifacts={tmp_path}", f"processed={tmp_path}/p"]
    assert main(["evaluate", *common, *small]) == 0
    said = capsys.readouterr().out
    assert "are in the test split of every run" in said and "medft compare 'runs=[" in said
    asked = [{row["item"] for row in RunRecord(run).items("heldout")} for run in runs]
    assert asked[0] == asked[1] and asked[0]
    lines = [map(json.loads, (run.evaluation / "heldout.answers.jsonl").open()) for run in runs]
    keys = [{row["key"] for row in each if row["system"] == "base"} for each in lines]
    assert keys[0] == keys[1] and len(keys[0]) == 2 * len(asked[0])
    unfinished = make_run(tmp_path, "20261120-101512", 3)
    unfinished.summary.unlink()
    assert main(["evaluate", "run=mistral*", *common[1:], *small]) == 0
    assert "left out" in capsys.readouterr().out and not (unfinished.evaluation / "heldout.json").exists()


def _answers(path: Path) -> dict[tuple[str, str], str]:
    rows = [row for row in map(json.loads, path.read_text().splitlines()) if row["kind"] == "generated"]
    return {(row["system"], row["item"]): row["text"] for row in rows}


def test_another_compute_type_is_asked_again(tmp_path: Path) -> None:
    run = make_run(tmp_path, "20261120-101502", 3)
    small = ["suite=heldout", "suite.heldout.limit=2", "suite.heldout.max_new_tokens=4"]
    config, keys = run.config.read_text(), []
    for dtype in ("float32", "bfloat16", "bfloat16"):
        run.config.write_text(yaml.safe_dump(_in_type(yaml.safe_load(config), dtype)))
        assert _evaluate(run, *small) == 0
        lines = (run.evaluation / "heldout.answers.jsonl").read_text().splitlines()
        keys.append({json.loads(line)["key"] for line in lines})
    assert not keys[0] & keys[1]
    assert keys[1] == keys[2]


def _in_type(config: dict[str, Any], dtype: str) -> dict[str, Any]:
    return {**config, "model": {**config["model"], "dtype": dtype}}


def test_a_gpu_without_room_is_advised_on_and_what_was_answered_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A GPU that holds two rows: the answers come in batches of six, then of two."""
    import torch

    run, scored = make_run(tmp_path, "20261120-101503", 4), []
    generate, score = generation._generate, likelihood._score

    def no_room(model: Any, tokenizer: Any, prompts: list[Any], *rest: Any) -> Any:
        if len(prompts) > 2:
            raise torch.OutOfMemoryError("planted")
        return generate(model, tokenizer, prompts, *rest)

    def counted(model: Any, pad: int, rows: list[Any]) -> Any:
        scored.extend(rows)
        return score(model, pad, rows)

    monkeypatch.setattr(generation, "_generate", no_room)
    monkeypatch.setattr(likelihood, "_score", counted)
    small = ["suite=heldout", "suite.heldout.limit=6", "suite.heldout.max_new_tokens=8"]
    assert _evaluate(run, *small) == 1
    said = capsys.readouterr().err
    assert "out of memory while answering" in said
    assert "lower batch_tokens (8,192 now)" in said and "answers so far are saved" in said
    assert len(scored) == 6  # by the base, before it answered
    assert _evaluate(run, *small, "batch_tokens=1") == 0
    assert len(scored) == 12  # by the tuned model; the base is not asked again


def test_a_model_is_let_go_before_the_next_is_loaded() -> None:
    """Merged weights and their base, of 16 bits each, would not fit a GPU together."""
    loaded: list[weakref.ref[Any]] = []

    def load(name: str) -> System:
        assert not any(each() for each in loaded)
        session: Any = type("Session", (), {})()
        loaded.append(weakref.ref(session))
        return System(name, session, name, name)

    suite: Any = SimpleNamespace(ask=lambda system, progress: None)
    evaluate._ask([suite, suite], map(load, ("base", "tuned")), lambda *_: None)
    assert len(loaded) == 2 and not loaded[1]()


def test_wrong_input_is_one_message(run: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for overrides, message in (
        (
            ["suite=pubmedqa", f"suite.pubmedqa.dataset.path={tmp_path}/nothing"],
            "suite.pubmedqa.dataset.path=",
        ),
        (["context=20"], "fits the model"),
        (["suite=quiz"], "quiz"),
        (["suite.heldout.limt=3"], "limt"),
        (["temperature=-1"], "temperature"),
        (["weights=merged"], "no merged weights"),
    ):
        assert _evaluate(run, *overrides) != 0
        said = capsys.readouterr().err
        assert message in said
        assert "Traceback" not in said


def test_a_run_that_is_still_training_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path, "20261120-101500", 1)
    shutil.rmtree(run.adapter)
    run.summary.unlink()
    with run.held():
        run.mark("running")
        assert _evaluate(run) != 0
    said = capsys.readouterr().err
    assert "no adapter weights yet (running)" in said
    assert "wait until it has finished" in said
