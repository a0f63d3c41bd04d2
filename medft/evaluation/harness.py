"""Tasks of EleutherAI's lm-evaluation-harness (the extra "lm-eval"), for base and tuned model.

Its scores are read item by item, so that differences get the same paired tests as every other metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Literal

from medft.aliases import NamedProgress
from medft.evaluation import metrics
from medft.evaluation.answers import AnswerFile
from medft.evaluation.asking import System
from medft.evaluation.harness_tasks import Harness
from medft.evaluation.items import Row
from medft.evaluation.measures import Measure, Metric, statistic, summarize
from medft.evaluation.statistics import OfItems
from medft.evaluation.units import Floats

if TYPE_CHECKING:
    from medft.evaluation.harness_model import RememberingModel

Scores = dict[str, dict[str, list[float]]]
"""Per task and metric, one score per item in the harness' order."""

Sample = Mapping[str, Any]
"""An item with its answers and scores, as the harness reports it."""


@dataclass(frozen=True, slots=True)
class HarnessResult:
    """The answers of one system, as the harness scored them."""

    scores: Scores
    """The scores of every item."""
    higher_is_better: dict[tuple[str, str], bool]
    """Which way is up, by task and metric, as the harness has it."""
    lines: dict[str, dict[str, str]]
    """The item that each line of the answers file belongs to, by the key of the line."""
    cut: int
    """Requests that were longer than the model takes; the harness cut their beginning."""


def ask(
    harness: Harness, system: System, limit: int | None, seed: int, file: AnswerFile, progress: NamedProgress
) -> HarnessResult:
    """Every item of every task; ``limit`` takes the first items of each task.

    What is in ``file`` is not asked again.
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
    up = {
        (task.rsplit("::", 1)[-1], name): bool(better)
        for task, metrics_of in results["higher_is_better"].items()
        for name, better in metrics_of.items()
    }
    return HarnessResult({task: _scores(rows) for task, rows in samples.items()}, up, lines, cut)


def task_metrics(results: Mapping[str, HarnessResult], seed: int) -> list[Metric]:
    """Every metric of every task by the harness' own name and direction; and of metrics that all tasks have,
    the means over the tasks: weighted by items, as the harness has it, and unweighted, as papers have it."""
    first = next(iter(results.values()))
    items = {task: _rows(task, len(next(iter(by.values())))) for task, by in first.scores.items() if by}
    found = []
    for task, rows in items.items():
        for name in first.scores[task]:
            values = {system: each.scores[task][name] for system, each in results.items()}
            up = first.higher_is_better.get((task, name), True)
            found.append(summarize(Measure(name, _kind(values), values, None, up, task, rows), seed))
    if len(items) == 1:
        return found  # means over the tasks would be the same figure again
    for name in _common(first.scores):
        found += _means(name, results, items, seed)
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


def _scores(samples: Sequence[Sample]) -> dict[str, list[float]]:
    """One score per item of each metric that is a number per item, by the harness' own name."""
    numbers = [name for name in samples[0]["metrics"] if all(_is_number(row.get(name)) for row in samples)]
    return {name: [float(row[name]) for row in samples] for name in numbers}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) or getattr(value, "ndim", None) == 0


def _common(scores: Scores) -> list[str]:
    """The metrics that every task has."""
    tasks = [set(by) for by in scores.values() if by]
    return [name for name in next(iter(scores.values())) if all(name in names for names in tasks)]


def _means(
    name: str, results: Mapping[str, HarnessResult], items: Mapping[str, list[Row]], seed: int
) -> Iterator[Metric]:
    pooled = {s: [v for task in items for v in each.scores[task][name]] for s, each in results.items()}
    together = [row for rows in items.values() for row in rows]
    first = next(iter(results.values()))
    up = all(first.higher_is_better.get((task, name), True) for task in items)
    weighted = Measure(f"{name}, weighted by items", _kind(pooled), pooled, None, up, "all tasks", together)
    yield summarize(weighted, seed)
    yield _unweighted(name, pooled, [len(rows) for rows in items.values()], together, up, seed)


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
    name: str,
    pooled: Mapping[str, Sequence[float]],
    sizes: Sequence[int],
    rows: Sequence[Row],
    up: bool,
    seed: int,
) -> Metric:
    """The mean of the tasks' means, whose sizes are fixed."""
    import numpy as np

    strata = [range(start, end) for start, end in pairwise(accumulate(sizes, initial=0))]
    task = np.repeat(np.arange(len(sizes)), sizes)

    def of(values: Floats) -> OfItems:
        return lambda rows: float(np.mean(np.bincount(task[rows], values[rows]) / np.bincount(task[rows])))

    means = {system: of(np.asarray(values)) for system, values in pooled.items()}
    return statistic(f"{name}, mean of tasks", means, strata, seed, "all tasks", up, rows)


def _rows(task: str, count: int) -> list[Row]:
    """The harness does not say what items share."""
    return [Row(f"{task}/{number}") for number in range(count)]


def _kind(values: Mapping[str, Sequence[float]]) -> Literal["share", "mean"]:
    return "share" if all(v in (0, 1) for each in values.values() for v in each) else "mean"
