"""The same items for several runs that are evaluated together."""

from __future__ import annotations

from collections.abc import Sequence

from medft.data.config import DatasetConfig
from medft.data.prepare import prepare
from medft.data.record import Record
from medft.errors import ConfigError, MedftError
from medft.evaluation.context import Context
from medft.evaluation.same_items import asked_of_each, union
from medft.inference.generation import Sampling
from medft.inference.library import RunModel
from medft.verbs.evaluate_config import EvaluateConfig


def contexts(config: EvaluateConfig, runs: Sequence[RunModel]) -> list[Context]:
    """What the suites of each run share. Several runs are asked the same items: of their own test splits
    those that are in all of them, or in all of one data set where those of several data sets share none;
    of other data none that one of them was trained on.

    Raises:
        ConfigError: a suite asks the runs' own test splits, and those of one data set have no row in common.
    """
    remarks: list[list[str]] = [[] for _ in runs]
    splits = [_records(config, run, said) for run, said in zip(runs, remarks, strict=True)]
    tests = asked_of_each([own for own, _ in splits], [run.record.identity.dataset for run in runs])
    trained_on = union([trained for _, trained in splits]) if len(runs) > 1 else []
    asks_own = any(suite.dataset is None and suite.kind != "harness" for suite in config.suite.values())
    if len(runs) > 1 and asks_own and not all(tests):
        raise ConfigError(
            "the test splits of these runs have no row in common",
            where=", ".join(run.record.run.name for run in runs),
            remedy="evaluate them on a suite with a data set of its own (medft list suites), or one by one; "
            "runs with the same dataset.split.seed hold out the same rows",
        )
    return [
        Context(
            template=run.template,
            own=own,
            trained_on=trained,
            trained_on_elsewhere=trained_on,
            others=[other.record.run.evaluation for other in runs if other is not run],
            sampling=Sampling(temperature=config.temperature, top_p=config.top_p, seed=config.seed),
            folder=run.record.run.evaluation,
            seed=config.seed,
            tiny=run.resolved.scale == "tiny",
            run=run.record.run.name,
            weights=config.weights,
            remarks=said,
            remarks_on_own=_of_own(own, whole, len({id(rows) for rows in tests}) > 1) if asks_own else (),
        )
        for run, own, (whole, trained), said in zip(runs, tests, splits, remarks, strict=True)
    ]


def _of_own(asked: Sequence[Record], whole: Sequence[Record], several: bool) -> list[str]:
    """What a reader must know of the test rows that a run is asked, out of all of its own."""
    said = []
    if several:
        said.append("Held-out rows of other data sets are other rows; runs on one data set share theirs.")
    if len(asked) < len(whole):
        said.append(
            f"{len(asked):,} of {len(whole):,} test rows are in the test split of every run, so only "
            "those are used; a suite with its own data set uses all of its items."
        )
    return said


def _records(
    config: EvaluateConfig, tuned: RunModel, remarks: list[str]
) -> tuple[list[Record], list[Record]]:
    """The run's test and training records, prepared again exactly as for the training."""
    dataset = tuned.record.built(DatasetConfig, "dataset")
    seed = tuned.record.demand(int, "settings", "seed")
    try:
        prepared = prepare(dataset, seed=seed, processed=config.processed)
    except MedftError as error:
        if any(suite.dataset is None and suite.kind != "harness" for suite in config.suite.values()):
            raise
        remarks.append(
            f"The training data is not available, so items were not checked against it ({error.what})."
        )
        return [], []
    return list(prepared.records("test")), list(prepared.records("train"))
