"""<suite>.items.csv: what every item of a suite scored, so that other runs are compared on the same items."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from medft.evaluation.measures import Measure, Metric
from medft.files import write_text


class Row(NamedTuple):
    """An item as metrics know it."""

    id: str
    """Unique within the suite."""
    cluster: str = ""
    """What it shares with other items; empty for none, or where it is not known."""


HEADER = ("part", "metric", "better", "item", "cluster", "weight")
"""Columns before those of the systems. A system's (weighted) mean over the items is the metric's value."""


def write_items(path: Path, metrics: Sequence[Metric]) -> None:
    """One row per metric and item, a column per system."""
    measures = [metric.per_item for metric in metrics if metric.per_item is not None]
    systems = tuple(dict.fromkeys(name for measure in measures for name in measure.values))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*HEADER, *systems))
    for measure in measures:
        writer.writerows(_rows(measure, systems))
    write_text(path, out.getvalue())


def read_clusters(path: Path) -> dict[str, str]:
    """The cluster of every item in a file that ``write_items`` wrote; nothing where there is none."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as rows:
        return {row["item"]: row["cluster"] for row in csv.DictReader(rows)}


def _rows(measure: Measure, systems: Sequence[str]) -> Iterator[tuple[object, ...]]:
    better = "higher" if measure.higher_is_better else "lower"
    for index, item in enumerate(measure.items):
        weight = 1 if measure.weights is None else measure.weights[index]
        values = (float(measure.values[name][index]) if name in measure.values else "" for name in systems)
        yield (measure.group, measure.name, better, item.id, item.cluster, weight, *values)
