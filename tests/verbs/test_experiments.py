"""Every recipe of an earlier system trains, on fixtures in its data set's shape, a family each."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft.compose import group_options
from medft.models.tiny import Twin

DATA = Path(__file__).parents[1] / "fixtures" / "data"
RUNS = {  # experiment -> family, and where its rows are here instead of on a hub
    "llm7b_medical": ("llama2", {"wikidoc": "wikidoc.jsonl", "medquad": "medquad_hub.csv"}),
    "family_plus": (
        "llama2",
        {"wiki_medical_terms": "wiki_medical_terms.jsonl", "wikidoc": "wikidoc.jsonl",
         "medquad": "medquad_hub.csv", "medicalquestions": "medicalquestions.csv"},
    ),
    "mednli": ("gemma", {"": "mednli"}),
    "pubmedqa_rag": ("gemma", {"": "pubmedqa_original"}),
    "pubmedqa_ko": ("llama3_1", {"": "pubmedqa_ko.jsonl"}),
    "asclepius": ("mistral", {"": "asclepius.jsonl"}),
}  # fmt: skip
SHORT = [
    "trainer.max_steps=2", "trainer.per_device_batch_size=2", "trainer.gradient_accumulation_steps=1",
    "trainer.max_length=1024", "trainer.eval_steps=2", "logger.wandb=off", "merge=false",
]  # fmt: skip


LOOKING = {  # recipes to look for mistakes, as they are but for what takes time
    "ten_steps": ["merge=false"],
    "overfit_one_batch": ["trainer.max_length=128"],
}
CARDS = ("gpu_16gb", "gpu_24gb", "gpu_40gb")  # planned in tests/plan/test_cards.py


def command(experiment: str) -> list[str]:
    family, sources = RUNS[experiment]
    places = []
    for name, file in sources.items():
        prefix = f"dataset.sources.{name}" if name else "dataset"
        reader = {".csv": "csv", ".jsonl": "jsonl"}.get(Path(file).suffix)
        places += [f"{prefix}.path={DATA / file}", *([f"{prefix}.reader={reader}"] if reader else [])]
    return [f"experiment={experiment}", f"model={family}", *places, *SHORT, f"run_dir=runs/{experiment}"]


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, twins: Callable[[Any], Twin]
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """All of them in one process, which imports the libraries once."""
    folder = tmp_path_factory.mktemp("experiments")
    for family in {family for family, _ in RUNS.values()}:
        shutil.copytree(twins(family).root, folder / "artifacts" / "tiny" / twins(family).root.name)  # type: ignore[arg-type]
    commands = [["train", *command(experiment)] for experiment in RUNS]
    for name, words in LOOKING.items():
        commands.append(["train", f"experiment={name}", "model=mistral", f"run_dir=runs/{name}", *words])
    code = f"import sys; from medft.cli import main; sys.exit(max([main(c) for c in {commands!r}]))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    return folder, done


def test_there_is_one_for_every_recipe() -> None:
    assert sorted([*RUNS, *LOOKING, *CARDS]) == group_options()["experiment"]


@pytest.mark.parametrize("experiment", RUNS)
def test_the_recipe_trains(finished: tuple[Path, subprocess.CompletedProcess[str]], experiment: str) -> None:
    folder, done = finished
    assert done.returncode == 0, done.stderr + done.stdout
    summary = json.loads((folder / "runs" / experiment / "summary.json").read_text(encoding="utf-8"))
    assert summary["steps"] == 2
    assert summary["model"] == RUNS[experiment][0]
    assert summary["train_loss"] > 0
    ledger = json.loads((folder / "runs" / experiment / "ledger.json").read_text(encoding="utf-8"))
    totals = ledger["totals"]
    assert totals["rows_in"] == sum(totals["kept"].values()) + sum(totals["dropped"].values())


def test_training_on_a_benchmark_is_written_down(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    notes = json.loads((finished[0] / "runs" / "pubmedqa_ko" / "ledger.json").read_text(encoding="utf-8"))[
        "notes"
    ]
    assert any("allow_benchmark_test" in note for note in notes)


def test_ten_steps_are_ten(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    summary = json.loads((finished[0] / "runs" / "ten_steps" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["steps"], summary["dataset"], summary["wandb"]) == (10, "sample", None)


def test_one_batch_is_learnt_by_heart(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder = finished[0] / "runs" / "overfit_one_batch"
    with (folder / "loss.csv").open(encoding="utf-8") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file) if row["split"] == "train"]
    assert len(losses) == 100 and losses[-1] < losses[0] / 4
    assert not (folder / "merged").exists()
