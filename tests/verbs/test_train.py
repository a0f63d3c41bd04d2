"""make train, end to end: the real command line in a process of its own, on a tiny twin."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from medft.models.tiny import Twin
from medft.runs import RunDir
from medft.training.losslog import HEADER
from tests.support.process import medft

SHORT = ["trainer.max_steps=10", "trainer.eval_steps=5", "trainer.learning_rate=4e-3"]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, twins: Callable[[Any], Twin]) -> Path:
    """An empty folder to work in, with the Mistral twin built already."""
    folder = tmp_path_factory.mktemp("work")
    shutil.copytree(twins("mistral").root.parent, folder / "artifacts" / "tiny")
    return folder


@pytest.fixture(scope="module")
def trained(workplace: Path) -> tuple[RunDir, subprocess.CompletedProcess[str]]:
    done = medft("train", "model=mistral", *SHORT, cwd=workplace)
    assert done.returncode == 0, done.stderr + done.stdout
    (config,) = (workplace / "artifacts" / "runs").glob("*/*/config.yaml")
    return RunDir(config.parent), done


def test_the_screen_says_what_runs_and_why(trained: tuple[RunDir, subprocess.CompletedProcess[str]]) -> None:
    out = trained[1].stdout
    assert out.startswith("mistral-tiny x sample x medical_qa")
    for expected in (
        "engine  transformers",
        "no CUDA GPU",
        "scale   tiny twin",
        "220 train",
        "10 steps x 8 rows",
    ):
        assert expected in out
    assert "saved   merged/" in out
    assert "checked from disk: all 21 weights exact" in out
    assert len(out.splitlines()) <= 18  # library chatter is in the log
    assert "Traceback" not in trained[1].stderr


def test_the_run_folder_holds_what_it_promises(trained: tuple[RunDir, Any]) -> None:
    run = trained[0]
    assert run.state() == "finished"
    assert run.loss_png.read_bytes().startswith(b"\x89PNG")
    names = {path.name for path in run.merged.iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= names
    assert "chat_template.jinja" in names
    assert "quantization_config" not in json.loads((run.merged / "config.json").read_text())
    assert not list(run.root.glob("adapter/*.bin")) + list(run.root.glob("merged/*.bin"))
    assert yaml.safe_load(run.config.read_text())["model"]["name"] == "mistral"
    ledger = json.loads(run.ledger.read_text())
    assert ledger["totals"]["rows_in"] == sum(ledger["totals"]["kept"].values()) + sum(
        ledger["totals"]["dropped"].values()
    )
    assert {"data", "split", "tokenizer", "template"} <= set(ledger["fingerprints"])


def test_every_step_has_its_line(trained: tuple[RunDir, Any]) -> None:
    with trained[0].loss_csv.open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == HEADER
    assert [int(row["step"]) for row in rows if row["split"] == "train"] == list(range(1, 11))
    assert [int(row["step"]) for row in rows if row["split"] == "validation"] == [0, 5, 10]
    assert [int(row["step"]) for row in rows if row["split"] == "test"] == [10]
    losses = [float(row["loss"]) for row in rows if row["split"] == "train"]
    assert sum(losses[-3:]) < 0.95 * sum(losses[:3])
    assert all(0 < float(row["bits_per_byte"]) < 8 for row in rows)


def test_the_summary_gives_the_figures(trained: tuple[RunDir, Any]) -> None:
    summary = json.loads(trained[0].summary.read_text())
    assert summary["steps"] == 10
    assert summary["validation_loss"] < summary["base_validation_loss"]
    assert summary["bits_per_byte"] < summary["base_bits_per_byte"]
    assert summary["merge"]["logits"]["rounding"]["relative"] < 0.2
    assert summary["merge"]["logits"]["quantised"]["relative"] < 0.5
    assert 0.3 < summary["non_pad_share"] <= 1
    assert summary["peak_memory_bytes"] < 4e9
    parts = [summary[f"{what}_seconds"] for what in ("step", "validation", "saving")]
    assert all(part > 0 for part in parts) and sum(parts) <= summary["seconds"]


def test_no_record_text_reaches_the_log(trained: tuple[RunDir, Any]) -> None:
    from medft.paths import samples_dir

    log = trained[0].log.read_text()
    with (samples_dir() / "medical_qa.jsonl").open(encoding="utf-8") as file:
        answers = [json.loads(line)["answer"] for line in file]
    assert not [answer for answer in answers if answer[:40] in log]


def test_the_adapter_and_the_merged_weights_load_with_plain_libraries(trained: tuple[RunDir, Any]) -> None:
    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = trained[0]
    tokenizer = AutoTokenizer.from_pretrained(run.merged)
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is asthma?"}], add_generation_prompt=True, return_tensors="pt"
    )["input_ids"]
    merged = AutoModelForCausalLM.from_pretrained(run.merged)
    adapted = AutoPeftModelForCausalLM.from_pretrained(run.adapter)
    with torch.no_grad():
        one, other = merged(ids).logits[0, -1].float(), adapted(ids).logits[0, -1].float()
    assert merged.dtype == torch.bfloat16
    assert torch.cosine_similarity(one, other, dim=0) > 0.99
    assert merged.generation_config.eos_token_id in (tokenizer.eos_token_id, [tokenizer.eos_token_id])


def test_the_same_seed_gives_the_same_losses(
    trained: tuple[RunDir, Any], workplace: Path, tmp_path: Path
) -> None:
    again = medft(
        "train",
        "model=mistral",
        *SHORT,
        "merge=false",
        "logger.wandb=off",
        f"run_dir={tmp_path}/again",
        cwd=workplace,
    )
    assert again.returncode == 0, again.stderr
    first, second = (_losses(path) for path in (trained[0].loss_csv, tmp_path / "again" / "loss.csv"))
    assert first == second


def _losses(path: Path) -> list[tuple[str, str, str]]:
    with path.open() as file:
        return [(row["step"], row["split"], row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["dataset=medquad"], r"medquad.csv"),
        (["dataset=csv", "dataset.path=empty.csv"], r"empty"),
        (["dataset=csv", "dataset.path=columns.csv"], r"column"),
        (["dataset=csv", "dataset.path=latin1.csv"], r"UTF-8"),
        (["dataset=jsonl", "dataset.path=half.jsonl"], r"half.jsonl.*2"),
        (["dataset=csv", "dataset.path=blank.csv"], r"no row"),
        (["artifacts=/proc/nowhere"], r"cannot be made"),
        (["resume=nothing"], r"there is no run called 'nothing'"),
        (["model=./notes"], r"contains no model: config.json is missing"),
        (["model=no.gguf"], r"no file 'no.gguf'"),
        (["model=mistral", "model.chat_template=lama3"], r"neither a chat template.*Did you mean 'llama3'"),
    ],
)
def test_wrong_input_is_one_clear_message_and_leaves_nothing(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In this process: what is wrong is found before anything heavy loads."""
    from medft.cli import main

    (tmp_path / "notes").mkdir()
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "columns.csv").write_text("q,a\nx,y\n")
    (tmp_path / "latin1.csv").write_bytes("question,answer\nWas ist Grösse?,Länge\n".encode("latin-1"))
    (tmp_path / "half.jsonl").write_text('{"question": "a?", "answer": "b"}\n{"question": "c?", "ans')
    (tmp_path / "blank.csv").write_text("question,answer\nWhat?,\n")
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) in (1, 2)
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert re.search(expected, err, re.DOTALL), err
    assert "fix:" in err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("artifacts/runs/*/*"))


NO_MERGE = """
import sys
from medft.cli import main
from medft.errors import MergeError
from medft.verbs import train

def fail(*_):
    raise MergeError("planted", remedy="do this")

train.merge = fail
sys.exit(main(sys.argv[1:]))
"""


def test_a_merge_that_fails_does_not_cost_the_run(workplace: Path) -> None:
    words = ["train", "model=mistral", "dataset=sample", "trainer.max_steps=1", "artifacts=unmerged"]
    (workplace / "unmerged").mkdir()
    (workplace / "unmerged" / "tiny").symlink_to(workplace / "artifacts" / "tiny")
    done = subprocess.run(
        [sys.executable, "-c", NO_MERGE, *words], cwd=workplace, capture_output=True, text=True
    )
    (path,) = (workplace / "unmerged" / "runs").glob("*/*/summary.json")
    run, summary = RunDir(path.parent), json.loads(path.read_text())
    assert done.returncode == 1
    assert "the run finished, but its weights were not merged: planted" in done.stderr
    assert f"do this; then medft merge run={run.root.relative_to(workplace)}" in done.stderr
    assert summary["merge"] is None and "planted" in summary["merge_failed"]
    assert run.state() == "finished" and summary["test_loss"] is not None
    assert (run.adapter / "adapter_model.safetensors").is_file() and run.loss_png.is_file()


def test_minutes_allow_as_many_steps_as_the_first_batches_let_expect(workplace: Path) -> None:
    """Of 28 in an epoch; the schedule that is said, written down and trained is the same."""
    recipe = ("trainer=cpu", "trainer.minutes=0.02", "merge=false", "logger.wandb=off")
    done = medft("train", "model=mistral", *recipe, "run_dir=limited", cwd=workplace)
    assert done.returncode == 0, done.stderr + done.stdout
    said = re.search(r"steps +(\d+) of 28 steps: .* tokens/s as in its own first batches", done.stdout)
    assert said is not None, done.stdout
    run = RunDir(workplace / "limited")
    planned = json.loads(run.plan.read_text())["schedule"]
    written = yaml.safe_load(run.config.read_text())["trainer"]
    assert planned["steps"] == written["max_steps"] == int(said[1]) < 28
    summary = json.loads(run.summary.read_text())
    late = "time limit reached" in done.stdout
    assert summary["steps"] == planned["steps"] or (late and summary["steps"] < planned["steps"])
