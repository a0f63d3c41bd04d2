"""Tasks of lm-evaluation-harness and the rows they ask about, from the hub or from local files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from medft.errors import ConfigError, DataError
from medft.evaluation.config import HarnessConfig
from medft.files import write_text

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager

TASKS = Path(__file__).with_name("tasks")
"""medft's own task files."""
PUBMEDQA = "medft_pubmedqa"


@dataclass(frozen=True, slots=True)
class Harness:
    """The harness, with its tasks found and their data at hand."""

    config: HarnessConfig
    """What to run."""
    manager: TaskManager
    """Its index of tasks."""
    tasks: object
    """The tasks with their rows, as one group, in which it merges what replaces their settings."""


def demand_installed(what: str) -> None:
    """Refuse ``what`` where the extra is missing; imports nothing.

    Raises:
        ConfigError: with the command that installs it.
    """
    if not find_spec("lm_eval"):
        raise ConfigError(
            f"{what} needs lm-evaluation-harness, which is not installed",
            remedy="pip install 'medft[lm-eval]'",
        )


def open_harness(config: HarnessConfig, folder: Path) -> Harness:
    """Find the tasks, and the local files of those that have one; ``folder`` takes PubMedQA's rows.

    Raises:
        ConfigError: the extra is not installed, or a task is unknown.
        DataError: the rows of a task cannot be had.
    """
    manager = _manager(str(config.task_files) if config.task_files else None)
    unknown = [name for name in config.tasks if name not in manager.all_tasks]
    if unknown:
        raise ConfigError(
            f"lm-evaluation-harness has no task '{unknown[0]}'",
            where="harness.tasks",
            remedy="its own list: lm-eval ls tasks; further task files: harness.task_files=<folder>",
        )
    specs = [_with_data(name, config, folder) for name in config.tasks]
    try:
        loaded = manager.load([{"group": "medft", "task": specs}])
    except OSError as error:  # ConnectionError among them; the libraries' own errors are kinds of it, too
        raise DataError(
            f"the rows of the harness tasks are not available ({type(error).__name__})",
            where=", ".join(config.tasks),
            remedy="make the hub reachable, or harness.data=<folder with <task>.jsonl files>",
        ) from error
    return Harness(config, manager, loaded["groups"]["medft"])


def write_pubmedqa(path: Path, folder: Path) -> Path:
    """The rows of PubMedQA's 500 test questions, as medft's task file reads them.

    Args:
        path: ori_pqal.json, or a folder with it.
        folder: where <task>.jsonl is written.

    Raises:
        DataError: it is not there, or holds none of the test questions.
    """
    from medft.data.cleaning.benchmarks import benchmark_questions
    from medft.data.cleaning.keys import same_words
    from medft.data.readers.pubmedqa import read
    from medft.data.readers.rows import RowError

    source = path / "ori_pqal.json" if path.is_dir() else path
    if not source.is_file():
        raise DataError(
            "PubMedQA's original file is not there", where=str(source), remedy="see dataset pubmedqa"
        )
    rows = [row.values for row in read(source) if not isinstance(row, RowError)]
    test = [row for row in rows if same_words(str(row["QUESTION"])) in benchmark_questions()]
    if not test:
        raise DataError("the file has none of PubMedQA's test questions", where=str(source))
    written = folder / f"{PUBMEDQA}.jsonl"
    lines = (
        json.dumps({k: row[k] for k in ("PMID", "QUESTION", "CONTEXTS", "final_decision")}) for row in test
    )
    write_text(written, "\n".join(lines) + "\n")
    return written


@cache
def _manager(task_files: str | None) -> TaskManager:
    """The harness' index of tasks; reading its thousands of files takes seconds."""
    demand_installed("a suite of the kind harness")
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=[str(TASKS), *([task_files] if task_files else [])])


def _with_data(name: str, config: HarnessConfig, folder: Path) -> str | dict[str, object]:
    """A task that reads ``<data>/<name>.jsonl`` as its test split and nothing else, where that file
    exists."""
    path = config.data / f"{name}.jsonl" if config.data else None
    if name == PUBMEDQA and config.pubmedqa is not None:
        path = write_pubmedqa(config.pubmedqa, folder)
    if path is None or not path.is_file():
        if name == PUBMEDQA:
            raise DataError(
                "the task medft_pubmedqa has no rows",
                where=str(path or "harness.data and harness.pubmedqa are null"),
                remedy="harness.pubmedqa=<ori_pqal.json or its folder>",
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
