"""Finds the settings in which the runs of a comparison differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medft.report.subject import Subject

PLACES = (
    "resume", "artifacts", "processed", "run_dir", "sweep", "merge", "merging", "max_shard_gb", "logger",
    "overrides", "preflight", "dataset.path", "dataset.obtain", "dataset.homepage", "dataset.license",
    "dataset.license_note",
)  # fmt: skip
"""Settings that say where and with what by-products a run was made, not what was trained: other rows in a
file of the same name show in the fingerprints."""
SHAPE = ("reader", "repo", "task", "language", "columns", "fixed", "keep", "labels", "sources", "config_name")
FACTS = ("model", "template.tasks", "template.description", *(f"dataset.{key}" for key in SHAPE))
"""Groups that are fully named by the name of their model, template or data set."""
NAMES = ("model.name", "dataset.name", "template.name")


@dataclass(frozen=True, slots=True)
class DifferingSettings:
    """The settings in which runs differ."""

    rows: dict[str, tuple[str, ...]]
    """Per setting, its value in each run; empty text where a run does not have it."""
    implied: dict[str, tuple[str, ...]]
    """The same for facts that follow from the name of a model, data set or template that differs too."""


def differing(subjects: Sequence[Subject]) -> DifferingSettings:
    """The settings, places aside, that do not have one and the same value in all subjects that have
    settings."""
    known = [subject for subject in subjects if subject.settings]
    keys = dict.fromkeys(key for subject in known for key in subject.settings if trains(key))
    rows: dict[str, tuple[str, ...]] = {}
    implied: dict[str, tuple[str, ...]] = {}
    for key in keys:
        if len({subject.settings.get(key) for subject in known}) > 1:
            target = implied if _follows_from_name(key, known) else rows
            target[key] = tuple(subject.settings.get(key, "") for subject in subjects)
    return DifferingSettings(rows, implied)


def trains(key: str) -> bool:
    """Whether a setting has a part in what is trained, rather than in where it is written."""
    return not any(key == place or key.startswith(f"{place}.") for place in PLACES)


def _follows_from_name(key: str, subjects: Sequence[Subject]) -> bool:
    name = f"{key.split('.')[0]}.name"
    if key in NAMES or not any(key == group or key.startswith(f"{group}.") for group in FACTS):
        return False
    pairs = {(subject.settings.get(name), subject.settings.get(key)) for subject in subjects}
    return len(pairs) == len({first for first, _ in pairs})
