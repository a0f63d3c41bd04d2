"""A study as its page sees it: every cell with its finished runs, its holes, and its base as the control."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from medft.errors import RunError
from medft.evaluation.between import BASE, Contender, Place
from medft.runs.record import RunRecord
from medft.study.cells import Cell, Trial, comparisons
from medft.study.config import StudyConfig
from medft.study.folder import StudyDir
from medft.study.writing.wording import without_folders


@dataclass(frozen=True)
class Arm:
    """One cell, and what its runs hold."""

    cell: Cell
    """The configuration."""
    trials: tuple[Trial, ...]
    """Its runs, one for each seed."""
    name: str
    """What it is called on the page: as much of its label as tells it from the others."""
    control: str
    """What its base is called there."""

    @cached_property
    def records(self) -> tuple[RunRecord, ...]:
        """Its finished runs."""
        return tuple(RunRecord(trial.run) for trial in self.trials if trial.state == "finished")

    @cached_property
    def tuned(self) -> Contender:
        """Its finished runs as one model."""
        return Contender(self.name, self.records)

    @cached_property
    def base(self) -> Contender:
        """What the same runs were trained from, asked the same items."""
        return Contender(self.control, self.records, BASE)

    def seeds_of(self, place: Place) -> list[float]:
        """The value of a metric in each finished run that has it."""
        return values(self.tuned, place)

    @property
    def tiny(self) -> bool:
        """Whether a tiny twin was trained."""
        return any(record.identity.tiny for record in self.records)


@dataclass(frozen=True)
class Study:
    """The settings of a study, and what came of them."""

    config: StudyConfig
    """What was asked for."""
    folder: StudyDir
    """Where it is written."""
    arms: tuple[Arm, ...]
    """Its cells."""

    @staticmethod
    def of(config: StudyConfig, folder: StudyDir, trials: Sequence[Trial]) -> Study:
        """The study of these trials, cell by cell."""
        by_cell: dict[str, list[Trial]] = {}
        for trial in trials:
            by_cell.setdefault(trial.cell.label, []).append(_readable(trial))
        names = _names([own[0].cell for own in by_cell.values()])
        several = len(config.models) > 1
        arms = (
            Arm(own[0].cell, tuple(own), name, own[0].cell.base if several else "base")
            for own, name in zip(by_cell.values(), names, strict=True)
        )
        return Study(config, folder, tuple(arms))

    @property
    def finished(self) -> list[Arm]:
        """The cells with a finished run."""
        return [arm for arm in self.arms if arm.records]

    @property
    def records(self) -> list[RunRecord]:
        """All finished runs."""
        return [record for arm in self.arms for record in arm.records]

    @property
    def primary(self) -> Place:
        """The outcome that decides."""
        return self.config.primary.suite, self.config.primary.part, self.config.primary.metric

    @property
    def higher_is_better(self) -> bool:
        """Which way the primary outcome is up."""
        return self.higher(self.primary)

    def higher(self, place: Place) -> bool:
        """Which way a metric is up."""
        metrics = [each for arm in self.finished for each in arm.tuned.figures.get(place, [])]
        return all(metric.get("higher_is_better", True) for metric in metrics)

    def holes(self) -> Iterator[tuple[str, str, str]]:
        """What is missing: the cell, the seed or the suite, and why."""
        for arm in self.arms:
            for trial in arm.trials:
                if trial.state != "finished":
                    yield arm.name, f"seed {trial.seed}", without_folders(trial.reason) or trial.state
                    continue
                asked = RunRecord(trial.run).suites
                if lacking := [suite for suite in self.config.suites if suite not in asked]:
                    yield arm.name, f"seed {trial.seed}", f"not asked: {', '.join(lacking)}"

    def pairs(self) -> list[tuple[Contender, Contender]]:
        """The comparisons that were asked for, of cells that finished."""
        known = {arm.cell.label: arm for arm in self.finished}
        asked = comparisons(self.config, [arm.cell for arm in self.arms])
        found = ((self._named(a, b, known), self._named(b, a, known)) for a, b in asked)
        return [(first, second) for first, second in found if first and second]

    def _named(self, label: str, other: str, known: dict[str, Arm]) -> Contender | None:
        """The model called ``label``: a base is asked in the runs of the cell that it is compared with."""
        if label in known:
            return known[label].tuned
        own = known.get(other)
        arms = [arm for arm in (own, *known.values()) if arm and arm.cell.base == label]
        return arms[0].base if arms else None

    def controls(self) -> list[Contender]:
        """The bases, each once for every data set and prompt that it was asked with."""
        asked = [(arm.cell.dataset, arm.cell.template) for arm in self.finished]
        sets, both = {dataset for dataset, _ in asked}, set(asked)
        found: dict[str, Contender] = {}
        for arm in self.finished:
            of = [arm.cell.dataset] * (len(both) > 1) + [arm.cell.template] * (len(both) > len(sets))
            label = f"{arm.control} ({', '.join(of)})" if of else arm.control
            found.setdefault(label, Contender(label, arm.records[:1], BASE))
        return list(found.values())


def _readable(trial: Trial) -> Trial:
    """The trial, failed where a file of its run is damaged: one run must not keep the others from a page."""
    record = RunRecord(trial.run)
    try:
        for part in ("settings", "environment", "ledger", "summary", "suites"):
            getattr(record, part)
    except RunError as error:
        return replace(trial, state="failed", reason=error.what)
    return trial


def _names(cells: Sequence[Cell]) -> list[str]:
    """The shortest names that tell cells apart: of model, data set and varied settings those that differ,
    then the template; the whole label where these do not do it."""
    axes = [[cell.model for cell in cells], [cell.dataset for cell in cells]]
    keys = dict.fromkeys(key for cell in cells for key in cell.varied)
    axes += [[f"{key.rsplit('.', 1)[-1]}={cell.varied.get(key, '')}" for cell in cells] for key in keys]
    for more in ([], [[cell.template for cell in cells]]):
        used = [axis for axis in (*axes, *more) if len(set(axis)) > 1]
        names = [", ".join(parts) for parts in zip(*used, strict=True)] or [cells[0].model]
        if len(set(names)) == len(cells):
            return names
    return [cell.label for cell in cells]


def values(contender: Contender, place: Place) -> list[float]:
    """The value of a metric in each of its runs."""
    return [
        float(metric["systems"][contender.system]["value"])  # type: ignore[index]
        for metric in contender.figures.get(place, [])
    ]
