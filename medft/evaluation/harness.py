"""Tasks of EleutherAI's lm-evaluation-harness (the extra "lm-eval"), for base and tuned model.

Owns how the harness is called and what is read from it: its per-item scores, so that differences get the same
paired tests as everything else. Knows nothing of what a task asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from medft.errors import ConfigError, DataError
from medft.evaluation.asking import System
from medft.evaluation.config import HarnessConfig
from medft.evaluation.measures import Figure, Measure, figure
from medft.runs import write_text

TASKS = Path(__file__).with_name("tasks")
"""medft's own task files."""
PUBMEDQA = "medft_pubmedqa"

Scores = dict[str, list[float]]
"""Per task, one score per item in the harness' order."""


@dataclass(frozen=True, slots=True)
class Harness:
    """The harness, with its tasks found and their data at hand."""

    config: HarnessConfig
    """What to run."""
    manager: Any
    """Its TaskManager."""
    tasks: tuple[Any, ...]
    """Names, or names with the local file they read."""


def open_harness(config: HarnessConfig, folder: Path) -> Harness:
    """Find the tasks, and the local files of those that have one; ``folder`` takes PubMedQA's rows.

    Raises:
        ConfigError: the extra is not installed, or a task is unknown.
        DataError: PubMedQA's rows are not where they are said to be.
    """
    manager = _manager(str(config.task_files) if config.task_files else None)
    unknown = [name for name in config.tasks if name not in manager.all_tasks]
    if unknown:
        raise ConfigError(
            f"lm-evaluation-harness has no task '{unknown[0]}'",
            where="suite.<name>.harness.tasks",
            remedy="its own list: lm-eval ls tasks; further task files: harness.task_files=<folder>",
        )
    return Harness(config, manager, tuple(_with_data(name, config, folder) for name in config.tasks))


def ask(harness: Harness, system: System, limit: int | None, seed: int) -> Scores:
    """The score of every item of every task; ``limit`` takes the first items of each task."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    session, config = system.session, harness.config
    with session.using(system.model) as model:
        judged = HFLM(
            pretrained=model,
            tokenizer=session.tokenizer,
            backend="causal",
            batch_size=config.batch_size,
            max_length=session.encoder.max_length,
        )
        results = simple_evaluate(
            model=judged,
            tasks=[{"group": "medft", "task": list(harness.tasks)}],  # a group, where overrides are merged
            task_manager=harness.manager,
            num_fewshot=config.shots,
            limit=limit,
            bootstrap_iters=0,
            apply_chat_template=config.chat_template,
            fewshot_as_multiturn=config.chat_template,
            random_seed=seed,
            numpy_random_seed=seed,
            torch_random_seed=seed,
            fewshot_random_seed=seed,
        )
    return {task.rsplit("::", 1)[-1]: _scores(samples) for task, samples in results["samples"].items()}


def figures(scores: Mapping[str, Scores], seed: int) -> tuple[list[Figure], dict[str, Any]]:
    """Accuracy per task with paired tests; and both means over the tasks, weighted by items and not."""
    tasks = list(next(iter(scores.values())))
    found = [
        figure(Measure("accuracy", _kind(scores, task), _values(scores, task), group=task), seed)
        for task in tasks
    ]
    pooled = {
        system: [value for task in tasks for value in per_task[task]] for system, per_task in scores.items()
    }
    kind: Literal["share", "mean"] = "share" if all(_kind(scores, t) == "share" for t in tasks) else "mean"
    found.append(figure(Measure("accuracy, weighted by items", kind, pooled, group="all tasks"), seed))
    unweighted = {
        system: sum(sum(values) / len(values) for values in per_task.values()) / len(per_task)
        for system, per_task in scores.items()
    }
    return found, {"accuracy, unweighted mean of tasks": unweighted}


def described(harness: Harness) -> list[str]:
    """What a reader must know: version and prompt settings."""
    config = harness.config
    chat = "each question in the model's chat template" if config.chat_template else "plain text prompts"
    source = f"; rows from {config.data.name}/" if config.data else ""
    return [f"lm-evaluation-harness {metadata.version('lm_eval')}, {config.shots} shots, {chat}{source}."]


def write_pubmedqa(path: Path, folder: Path) -> Path:
    """The rows of PubMedQA's 500 test questions, as medft's task file reads them.

    Args:
        path: ori_pqal.json, or a folder with it.
        folder: where <task>.jsonl is written.

    Raises:
        DataError: it is not there, or holds none of the test questions.
    """
    from medft.data.heldout import benchmark_questions
    from medft.data.keys import same_words
    from medft.data.pubmedqa import read
    from medft.data.sources import RowError

    source = path / "ori_pqal.json" if path.is_dir() else path
    if not source.is_file():
        raise DataError(
            "PubMedQA's original file is not there", where=str(source), remedy="see dataset pubmedqa"
        )
    rows = [row.values for row in read(source) if not isinstance(row, RowError)]
    test = [row for row in rows if same_words(str(row["QUESTION"])) in benchmark_questions()]
    if not test:
        raise DataError("the file holds none of PubMedQA's test questions", where=str(source))
    written = folder / f"{PUBMEDQA}.jsonl"
    lines = (
        json.dumps({k: row[k] for k in ("PMID", "QUESTION", "CONTEXTS", "final_decision")}) for row in test
    )
    write_text(written, "\n".join(lines) + "\n")
    return written


@cache
def _manager(task_files: str | None) -> Any:
    """The harness' index of tasks; reading its thousands of files takes seconds."""
    try:
        from lm_eval.tasks import TaskManager
    except ImportError:
        raise ConfigError(
            "this suite needs lm-evaluation-harness, which is not installed",
            remedy="pip install 'medft[lm-eval]'",
        ) from None
    return TaskManager(include_path=[str(TASKS), *([task_files] if task_files else [])])


def _with_data(name: str, config: HarnessConfig, folder: Path) -> Any:
    """A task that reads ``<data>/<name>.jsonl`` as its test split and nothing else, where that file
    exists."""
    path = config.data / f"{name}.jsonl" if config.data else None
    if name == PUBMEDQA and config.pubmedqa is not None:
        path = write_pubmedqa(config.pubmedqa, folder)
    if path is None or not path.is_file():
        if name == PUBMEDQA:
            raise DataError(
                "the task medft_pubmedqa has no rows",
                where=str(path or "suite.<name>.harness.data is null"),
                remedy="suite.<name>.harness.pubmedqa=<ori_pqal.json or its folder>",
            )
        return name
    return {
        "task": name,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {"test": str(path)}},
        "training_split": None,
        "validation_split": None,
        "fewshot_split": None,
        "test_split": "test",
    }


def _scores(samples: Sequence[Mapping[str, Any]]) -> list[float]:
    """One score per item: accuracy where the task has it, else its first metric; of its first filter."""
    first = samples[0]["filter"]
    rows = sorted((s for s in samples if s["filter"] == first), key=lambda s: int(s["doc_id"]))
    metric = "acc" if "acc" in rows[0] else rows[0]["metrics"][0]
    return [float(row[metric]) for row in rows]


def _values(scores: Mapping[str, Scores], task: str) -> dict[str, list[float]]:
    return {system: per_task[task] for system, per_task in scores.items()}


def _kind(scores: Mapping[str, Scores], task: str) -> Literal["share", "mean"]:
    return "share" if all(v in (0, 1) for per_task in scores.values() for v in per_task[task]) else "mean"
