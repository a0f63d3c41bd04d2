"""Resumes an interrupted run: from its own command line, and only if nothing that matters has changed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medft import ranks, slurm
from medft.aliases import Json
from medft.errors import ConfigError, RunError
from medft.files import read_json
from medft.overrides import value_of
from medft.runs import RunDir, find_run
from medft.runs.find import all_runs
from medft.runs.migrate import FORMAT
from medft.runs.record import RunRecord
from medft.runs.values import flatten, mapping, number, strings, text

FIXED = ("model", "dataset", "template", "lora", "seed", "scale")
"""Sections of the configuration that shape every step; the rest may change between the halves."""
AUTO = "auto"
"""``resume=auto``: goes on with the run in ``run_dir``, or begins it; for launchers that repeat a command."""
_STEPS = (
    "max_length", "too_long", "packing", "group_by_length",  # which tokens meet in which step
    "epochs", "max_steps", "learning_rate", "lr_scheduler", "warmup_steps", "optimizer", "weight_decay",
    "max_grad_norm", "neftune_noise_alpha",  # what a step does, and how the rate falls
)  # fmt: skip
"""Settings of the trainer that shape every step; a checkpoint restores some whatever the settings say."""
_PLACES = re.compile(
    r"dataset\.(sources\.[^.]+\.)?(path|revision|decontaminate|obtain|homepage|license_note)"
)  # where rows are found, and words for people: the rows themselves are compared instead


def expand(overrides: Sequence[str]) -> tuple[list[str], dict[str, object]]:
    """The overrides to compose, and the values to set beside them.

    ``resume=<run>`` becomes the command line that run was started with, followed by what is new; so does the
    whole command of a SLURM job that was put back into the queue, once it has made its run folder.

    Raises:
        RunError: no such run, or one that is finished, still running or was started by something else.
        ConfigError: ``resume=auto`` without ``run_dir``.
    """
    own = [o for o in overrides if not o.startswith("resume=")]
    artifacts = Path(value_of(own, "artifacts") or "artifacts")
    name = value_of(overrides, "resume")
    if name is None:
        name = _before_requeue(own, artifacts)
    elif name == AUTO:
        name = _begun(value_of(own, "run_dir"))
    if name is None:
        return _epochs_asked_for(own), {"overrides": own}
    run = find_run(name, artifacts, latest="unfinished")
    _demand_resumable(run)
    before = RunRecord(run).demand(dict, "settings")
    then = list(strings(before.get("overrides")))
    new = [] if then[: len(own)] == own else own  # the same command again says nothing new
    whole = [*then, *_found_out(before), *new]
    return _epochs_asked_for(whole), {"overrides": whole, "resume": str(run.root), "run_dir": str(run.root)}


def _begun(place: str | None) -> str | None:
    """The run folder that a command names, where an earlier start of the same command has made it.

    Raises:
        ConfigError: it names none, so that every start would make another.
    """
    if place is None:
        raise ConfigError(f"resume={AUTO} needs run_dir", remedy="run_dir=<folder>")
    return place if RunDir(Path(place)).config.is_file() else None


def _before_requeue(words: Sequence[str], artifacts: Path) -> str | None:
    """The run that this SLURM job began with the same words, before it was put back into the queue."""
    if not slurm.restarted():
        return None
    place = value_of(words, "run_dir")
    runs = [*([RunDir(Path(place))] if place else []), *all_runs(artifacts)]
    of_job = (run for run in runs if run.status.is_file() and _slurm_job(run) == slurm.job())
    return next((str(run.root.absolute()) for run in of_job if _began_with(run, words)), None)


def _began_with(run: RunDir, words: Sequence[str]) -> bool:
    known = strings(RunRecord(run).settings.get("overrides"))
    return list(known[: len(words)]) == list(words)


def _slurm_job(run: RunDir) -> str | None:
    with contextlib.suppress(RunError):
        return text(read_json(run.status).get("slurm_job")) or None
    return None


def _epochs_asked_for(words: list[str]) -> list[str]:
    """``trainer.epochs`` on the command line lifts the number of steps that a recipe sets."""
    keys = {word.partition("=")[0].lstrip("+") for word in words}
    lifted = "trainer.epochs" in keys and "trainer.max_steps" not in keys
    return [*words, "trainer.max_steps=null"] if lifted else words


def _found_out(before: Mapping[str, Any]) -> list[str]:
    """What the run found out when it began, as overrides: where its weights came from, whatever the hub says
    now, how many steps fitted its minutes, however fast the machine is now, and whose states its checkpoints
    hold."""
    weights = mapping(before, "model").get("weights", "auto")
    trainer = mapping(before, "trainer")
    fitted = trainer.get("minutes") is not None and trainer.get("max_steps") is not None
    return [
        *([] if weights == "auto" else [f"model.weights={weights}"]),
        *([f"trainer.max_steps={trainer['max_steps']}"] if fitted else []),
        *([f"trainer.optimizer={trainer['optimizer']}"] if trainer.get("optimizer") else []),
    ]


def demand_same(run: RunDir, now: Json) -> None:
    """Refuse to resume with different settings; those that an older format did not know
    are not compared.

    Raises:
        RunError: naming every key of ``FIXED`` that differs, with both values.
    """
    record = RunRecord(run)
    processes = number(record.plan, "devices") if run.plan.is_file() else None
    before = _shaping(record.settings, int(processes or ranks.count()))
    after = _shaping(now, ranks.count())
    known = before.keys() | after.keys() if record.format == FORMAT else before.keys()
    changed = [
        f"{key}: {before.get(key)!r} -> {after.get(key)!r}"
        for key in sorted(known)
        if before.get(key) != after.get(key)
    ]
    if changed:
        raise RunError(
            "the run cannot be resumed with different settings",
            where="; ".join(changed),
            remedy="remove these settings, or start a new run",
        )


def _shaping(values: Json, processes: int) -> dict[str, object]:
    """What every step rests on, as dotted keys; how a step's rows are dealt to batches and processes may
    change. (fit=auto deals out the rows that are written to however many processes there are.)"""
    trainer: Mapping[str, Any] = mapping(values, "trainer")
    fixed = flatten({name: values[name] for name in FIXED if name in values})
    rows = {f"trainer.{name}": trainer[name] for name in _STEPS if name in trainer}
    if "per_device_batch_size" in trainer:
        batch, times = trainer["per_device_batch_size"], trainer["gradient_accumulation_steps"]
        rows["rows per step"] = batch * times * (1 if trainer.get("fit") == "auto" else processes)
    return {key: value for key, value in (fixed | rows).items() if not _PLACES.fullmatch(key)}


def demand_same_data(run: RunDir, now: Mapping[str, str]) -> None:
    """Refuse to resume with other rows, another tokenizer or another wording.

    Raises:
        RunError: naming the fingerprints that differ.
    """
    before = RunRecord(run).fingerprints
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        raise RunError(
            f"the run cannot be resumed: {' and '.join(changed)} changed since it began",
            where=str(run.root),
            remedy="restore the original files, or start a new run",
        )


def demand_same_steps(run: RunDir, rows_per_step: int) -> None:
    """Refuse to resume with more or fewer rows in a step, as on another number of GPUs.

    Raises:
        RunError: with both numbers.
    """
    before = RunRecord(run).demand(int, "plan", "schedule", "rows_per_step")
    if before != rows_per_step:
        raise RunError(
            f"the run cannot be resumed: a step had {before} rows and would now have {rows_per_step}",
            where=str(run.root),
            remedy="use as many GPUs as before, or change trainer.gradient_accumulation_steps so that "
            f"rows x accumulation x GPUs is {before}",
        )


def demand_same_optimizer(run: RunDir, optimizer: str) -> None:
    """Refuse to go on with an optimizer that cannot read the states of the checkpoints, as where 8-bit ones
    would be divided between processes.

    Raises:
        RunError: with both names.
    """
    before = RunRecord(run).demand(str, "plan", "trainer", "optimizer")
    if before != optimizer:
        raise RunError(
            f"the run cannot be resumed: its checkpoints hold the states of {before}, but {optimizer} "
            "would be used now",
            where=str(run.root),
            remedy="resume it on the kind of machine, and with the engine.sharding, that it started with",
        )


def _demand_resumable(run: RunDir) -> None:
    state = run.state()
    if state == "finished":
        raise RunError("the run is finished already", where=str(run.root), remedy="start a new run")
    if state == "running":
        raise RunError(
            "the run is still running", where=str(run.root), remedy="wait for it, or stop it first"
        )
