"""``medft train -m``: a command line with several values becomes jobs, under Hydra's own launchers.

Owns the reading of that command line and the sweep's exit code. Hydra's launcher (serial, joblib, submitit)
decides where and when jobs start, its sweeper (a list, or Optuna) which there are. Nothing starts before the
settings of every job have been built once.
"""

from __future__ import annotations

import itertools
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medft.compose import SEARCHPATH, compose, forced, group_options, register_resolvers, settings
from medft.errors import ConfigError, RunError
from medft.paths import conf_dir
from medft.screen import Screen
from medft.sweep.folder import SweepDir
from medft.sweep.grid import read_grid
from medft.sweep.job import run_job
from medft.sweep.watch import echo, settle, stoppable

# A launcher's worker imports this module to find ``_job``, and then composes conf/, which needs them.
register_resolvers()

# Of Hydra's own flags, those that print something and run nothing.
_ANSWERED = ("-c", "--cfg", "-i", "--info", "--hydra-help", "-sc", "--shell-completion")
_TRIALS = 20  # of a search, where hydra.sweeper.n_trials does not say


def hydra_main(verb: str, arguments: Sequence[str]) -> int:
    """Run a multirun, or let Hydra answer one of its own flags (``--cfg job``, ``--info``, ...).

    Returns:
        0; 1 when a job failed; 130 when the sweep was stopped.

    Raises:
        ConfigError: a job's settings are wrong; nothing has been started then.
        RunError: the folder of a sweep to resume is none, or that of a new one is taken.
    """
    if not {"-m", "--multirun"} & set(arguments):
        return _flags(verb, list(arguments))
    if verb != "train":
        raise ConfigError(f"'medft {verb}' has no multirun", remedy="medft train -m ...")
    overrides = [a for a in arguments if a not in ("-m", "--multirun")]
    flags = [a for a in overrides if a.startswith("-")]
    if flags:
        raise ConfigError(f"a sweep knows no flag '{flags[0]}'", remedy="leave it out")
    return _sweep(overrides)


def _flags(verb: str, arguments: list[str]) -> int:
    from hydra.errors import HydraException

    flags = [a.partition("=")[0] for a in arguments if a.startswith("-")]
    if not set(_ANSWERED).intersection(flags):
        raise ConfigError(f"there is no flag '{flags[0]}'", remedy=f"medft {verb} --help   shows examples")
    groups = group_options(arguments)
    try:
        _hydra(verb, [forced(a, groups) if "=" in a and a[0] != "-" else a for a in arguments])
    except HydraException as error:
        raise ConfigError(
            f"the command cannot be read: {_first_line(error)}",
            remedy=f"medft {verb} --help   shows examples",
        ) from error
    return 0


def _sweep(overrides: list[str]) -> int:
    own = [o for o in overrides if not o.startswith("hydra") or o.startswith(SEARCHPATH)]
    launch = [o for o in overrides if o not in own]
    resumed = _value(own, "sweep.resume")
    folder = _reopen(Path(resumed), own, launch) if resumed else _open(own, launch)
    screen = Screen()
    jobs = folder.jobs()
    todo = [job.number for job in jobs if job.state in ("to do", "failed")]
    screen.say(f"sweep {folder.root}: {_counts(folder) if resumed else _size(folder)}")
    for number in todo:
        folder.mark(number, "to do")
    folder.stop(False)
    with stoppable(folder, screen), echo(folder, screen):
        if todo:
            _launch(folder, [f"+sweep.job={','.join(map(str, todo))}"])
        if folder.search() and not folder.stopping:
            _search(folder)
    return _conclude(folder, screen)


def _open(own: list[str], launch: list[str]) -> SweepDir:
    """A new sweep's folder, after every job's settings have been built."""
    search = "hydra/sweeper=optuna" in launch
    grid = read_grid(own)
    jobs = grid.corners() if search else grid.jobs()
    compose("train", launch)
    for job in jobs:
        settings("train", job)
    folder = SweepDir(Path(_value(launch, "hydra.sweep.dir") or _stamped(own)))
    if folder.root.exists():
        raise RunError(
            "the sweep's folder is taken", where=str(folder.root), remedy=f"sweep.resume={folder.root}"
        )
    kept = [o for o in launch if not o.startswith(("hydra.sweep.dir=", "hydra/sweeper", "hydra.sweeper"))]
    chooses = [*own, *(o for o in launch if o.startswith(("hydra/sweeper", "hydra.sweeper")))]
    folder.create([] if search else jobs, grid.varied, kept, chooses if search else [])
    return folder


def _reopen(root: Path, own: list[str], launch: list[str]) -> SweepDir:
    """The folder of a sweep to go on with."""
    surplus = [o for o in (*own, *launch) if not o.startswith("sweep.resume=")]
    if surplus:
        raise ConfigError(
            f"a resumed sweep takes no other settings: {surplus[0]}",
            where=str(root),
            remedy=f"medft train -m sweep.resume={root}   runs what is missing as it was asked for",
        )
    folder = SweepDir(root)
    folder.jobs()
    return folder


def _search(folder: SweepDir) -> None:
    """Let Optuna choose jobs until it has had all its trials; its study lies in the folder."""
    import warnings

    import optuna

    optuna.logging.disable_default_handler()
    logging.getLogger("hydra_plugins").setLevel(logging.CRITICAL)  # what failed has been said
    warnings.simplefilter("ignore", FutureWarning)  # Hydra's plugin uses Optuna's older names
    search = folder.search()
    left = int(_value(search, "hydra.sweeper.n_trials") or _TRIALS) - len(folder.jobs())
    if left <= 0:
        return
    # SQLAlchemy 2 opens transactions that Optuna 2 never commits; Optuna 3 has no plugin for Hydra.
    storage = (
        "{_target_:optuna.storages.RDBStorage,engine_kwargs:{isolation_level:AUTOCOMMIT},"
        f"url:'sqlite:///{(folder.root / 'search.db').absolute()}'}}"
    )
    kept = ["hydra.sweeper.study_name=sweep", f"hydra.sweeper.storage={storage}"]
    kept = [*([] if _value(search, "hydra.sweeper.storage") else kept), f"hydra.sweeper.n_trials={left}"]
    _launch(folder, [*search, *kept])


def _launch(folder: SweepDir, arguments: Sequence[str]) -> None:
    try:
        _hydra("train", ["-m", f"hydra.sweep.dir='{folder.root}'", *folder.launch(), *arguments])
    except Exception as error:
        if "No trials are completed" in str(error):  # Optuna, asked for the best of none; each has been told
            return
        if folder.stopping:  # a terminal's Ctrl-C also ends the processes of a launcher
            settle(folder)
            return
        raise RunError(
            f"Hydra's launcher failed: {type(error).__name__}, {_first_line(error)}",
            where=str(folder.root),
            remedy=f"medft train -m sweep.resume={folder.root}",
        ) from error


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")


def _hydra(verb: str, arguments: list[str]) -> None:
    import hydra

    before, sys.argv = sys.argv, ["medft", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come back to medft instead of being printed by Hydra
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=verb)(_job)()
    finally:
        sys.argv = before


def _job(config: Any) -> float | None:
    """One job of a multirun, in whatever process the launcher chose."""
    from hydra.core.hydra_config import HydraConfig

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a worker's process
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the business of the sweep's own process
    node = HydraConfig.get()
    folder = SweepDir(Path(node.sweep.dir))
    if folder.stopping:
        return None
    number = config.sweep.get("job")
    if number is None:
        number = folder.add([str(o) for o in node.overrides.task])
    return run_job(folder, int(number))


def _conclude(folder: SweepDir, screen: Screen) -> int:
    jobs = folder.refresh()
    screen.say(f"sweep {folder.root}: {_counts(folder)}")
    if all(job.state == "done" for job in jobs) and not folder.stopping:
        screen.say(f"next    medft compare runs={folder.root}")
        return 0
    screen.say(f"next    medft train -m sweep.resume={folder.root}")
    return 130 if folder.stopping else 1


def _counts(folder: SweepDir) -> str:
    states = [job.state for job in folder.jobs()]
    known = {state: states.count(state) for state in ("done", "failed", "running", "to do")}
    return ", ".join(f"{count} {state}" for state, count in known.items() if count) or "no job yet"


def _size(folder: SweepDir) -> str:
    return "a search by Optuna" if folder.search() else f"{len(folder.jobs())} jobs"


def _stamped(own: Sequence[str]) -> str:
    """``<artifacts>/sweeps/<stamp>``, with a number behind it when this second has one already."""
    parent = Path(_value(own, "artifacts") or "artifacts") / "sweeps"
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = itertools.chain([stamp], (f"{stamp}-{n}" for n in itertools.count(2)))
    return str(next(parent / name for name in names if not (parent / name).exists()))


def _value(overrides: Sequence[str], key: str) -> str | None:
    """The last value that ``key`` is given."""
    values = [o.partition("=")[2].strip("'\"") for o in overrides if o.partition("=")[0] == key]
    return values[-1] if values else None
