"""Tasks of EleutherAI's lm-evaluation-harness (the extra "lm-eval"), for base and tuned model.

Its scores are read item by item, so that differences get the same paired tests as every other metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from medft.aliases import NamedProgress
from medft.evaluation import metrics
from medft.evaluation.answers import AnswerFile
from medft.evaluation.asking import System
from medft.evaluation.harness_tasks import Harness
from medft.evaluation.measures import Measure, Metric, statistic, summarize
from medft.evaluation.statistics import OfItems
from medft.evaluation.units import Floats

if TYPE_CHECKING:
    from medft.evaluation.harness_model import RememberingModel

Scores = dict[str, list[float]]
"""Per task, one score per item in the harness' order."""

Sample = Mapping[str, Any]
"""An item with its answers and scores, as the harness reports it."""


class Row(NamedTuple):
    """An item of a task, as metrics know it."""

    id: str
    """The task and the item's place in it."""
    cluster: str = ""
    """The harness does not say what items share."""


@dataclass(frozen=True, slots=True)
class HarnessResult:
    """The answers of one system, as the harness scored them."""

    scores: Scores
    """The score of every item."""
    lines: dict[str, dict[str, str]]
    """The item that each line of the answers file belongs to, by the key of the line."""
    cut: int
    """Requests that were longer than the model takes; the harness cut their beginning."""


def ask(
    harness: Harness, system: System, limit: int | None, seed: int, file: AnswerFile, progress: NamedProgress
) -> HarnessResult:
    """Every item of every task; ``limit`` takes the first items of each task.

    What stands in ``file`` is not asked again.
    """
    from lm_eval import simple_evaluate

    from medft.evaluation.harness_model import RememberingModel

    config = harness.config
    with system.session.using(system.model) as model:
        judge = RememberingModel(model, system, config.batch_size, file, progress)
        results = simple_evaluate(
            model=judge,
            tasks=[harness.tasks],
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
    samples = {task.rsplit("::", 1)[-1]: _first_filter(rows) for task, rows in results["samples"].items()}
    kinds = {task.rsplit("::", 1)[-1]: config["output_type"] for task, config in results["configs"].items()}
    lines = {
        key: line
        for task, rows in samples.items()
        for row in rows
        for key, line in _lines(judge, task, kinds[task], row)
    }
    cut = sum(bool((file.get(key) or {}).get("cut")) for key in lines)
    return HarnessResult({task: _scores(rows) for task, rows in samples.items()}, lines, cut)


def task_metrics(scores: Mapping[str, Scores], seed: int) -> list[Metric]:
    """Accuracy per task, and its means over the tasks: weighted by items, as the harness has it, and
    unweighted, as papers have it."""
    tasks = list(next(iter(scores.values())))
    items = {task: _rows(task, len(next(iter(scores.values()))[task])) for task in tasks}
    found = [
        summarize(Measure("accuracy", _kind(scores, t), _values(scores, t), group=t, items=items[t]), seed)
        for t in tasks
    ]
    if len(tasks) == 1:
        return found  # means over the tasks would be the same figure again
    pooled = {
        system: [value for task in tasks for value in per_task[task]] for system, per_task in scores.items()
    }
    kind: Literal["share", "mean"] = "share" if all(_kind(scores, t) == "share" for t in tasks) else "mean"
    together = [row for rows in items.values() for row in rows]
    weighted = Measure("accuracy, weighted by items", kind, pooled, group="all tasks", items=together)
    found.append(summarize(weighted, seed))
    found.append(_unweighted(pooled, [len(rows) for rows in items.values()], together, seed))
    return found


def majority_baselines(lines: Iterable[Mapping[str, str]]) -> dict[str, float]:
    """Per task of multiple choice, the accuracy of always giving the most frequent gold answer."""
    gold: dict[str, dict[str, str]] = {}
    for line in lines:
        if "candidate" in line:
            gold.setdefault(line["group"], {})[line["item"]] = line["gold"]
    return {
        f"{task}: majority baseline": metrics.majority_share(list(items.values()))
        for task, items in gold.items()
    }


def described(harness: Harness) -> list[str]:
    """What a reader must know: version and prompt settings."""
    from medft.evaluation.harness_model import HARNESS

    config = harness.config
    chat = "each question in the model's chat template" if config.chat_template else "plain text prompts"
    source = f"; rows from {config.data.name}/" if config.data else ""
    return [f"{HARNESS}, {config.shots} shots, {chat}{source}."]


def _first_filter(samples: Sequence[Sample]) -> list[Sample]:
    """One sample per item, in order: a task may read an answer in several ways, of which the first counts."""
    first = samples[0]["filter"]
    return sorted((s for s in samples if s["filter"] == first), key=lambda s: int(s["doc_id"]))


def _scores(samples: Sequence[Sample]) -> list[float]:
    """One score per item: accuracy where the task has it, else its first metric."""
    metric = "acc" if "acc" in samples[0] else samples[0]["metrics"][0]
    return [float(row[metric]) for row in samples]


def _lines(
    judge: RememberingModel, task: str, output_type: str, sample: Sample
) -> Iterator[tuple[str, dict[str, str]]]:
    """Item, question and gold answer of each line that holds an answer to a sample."""
    kind = "loglikelihood" if output_type == "multiple_choice" else output_type
    for prompt, *rest in sample["arguments"]:
        about = {"item": f"{task}/{sample['doc_id']}", "group": task, "question": prompt}
        candidate = {"candidate": rest[0]} if kind == "loglikelihood" else {}
        yield judge.key(kind, (prompt, *rest)), {**about, **candidate, "gold": str(sample["target"])}


def _unweighted(
    pooled: Mapping[str, Sequence[float]], sizes: Sequence[int], rows: Sequence[Row], seed: int
) -> Metric:
    """The mean of the tasks' means, whose sizes are fixed."""
    import numpy as np

    strata = [range(start, end) for start, end in pairwise(accumulate(sizes, initial=0))]
    task = np.repeat(np.arange(len(sizes)), sizes)

    def of(values: Floats) -> OfItems:
        return lambda rows: float(np.mean(np.bincount(task[rows], values[rows]) / np.bincount(task[rows])))

    means = {system: of(np.asarray(values)) for system, values in pooled.items()}
    return statistic("accuracy, mean of tasks", means, strata, seed, "all tasks", items=rows)


def _rows(task: str, count: int) -> list[Row]:
    return [Row(f"{task}/{number}") for number in range(count)]


def _values(scores: Mapping[str, Scores], task: str) -> dict[str, list[float]]:
    return {system: per_task[task] for system, per_task in scores.items()}


def _kind(scores: Mapping[str, Scores], task: str) -> Literal["share", "mean"]:
    return "share" if all(v in (0, 1) for per_task in scores.values() for v in per_task[task]) else "mean"
