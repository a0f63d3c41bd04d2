"""``medft train -m``: a command line with several values becomes jobs.

Where to look for: how a sweep is opened, resumed and concluded. Nothing starts before the settings of every
job have been built once.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from medft import other_tools
from medft.compose import compose, forced, group_options, primary, settings
from medft.config import keys
from medft.errors import ConfigError, RunError
from medft.files import stamp, unused
from medft.format import counted
from medft.overrides import SEARCHPATH, value_of, written
from medft.screen import Screen
from medft.sweep.folder import SweepDir
from medft.sweep.grid import Grid, read_grid
from medft.sweep.job import result
from medft.sweep.launch import (
    LAUNCHER,
    demand_launch_words,
    finish,
    first_line,
    hydra_call,
    resent,
    sent,
)
from medft.sweep.search import WORDS, SearchConfig, propose, read_search
from medft.sweep.watch import echo, stoppable

# Of Hydra's own flags, those that print something and run nothing.
_ANSWERED = ("-c", "--cfg", "-i", "--info", "--hydra-help", "-sc", "--shell-completion")

_OF_ONE_RUN = {
    "resume": "sweep.resume=<its folder>", "run_dir": "hydra.sweep.dir=<a new folder>",
    "sweep.folder": "hydra.sweep.dir=<a new folder>",
}  # fmt: skip


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
        raise ConfigError(f"unknown flag '{flags[0]}' for a sweep", remedy="remove it")
    return _sweep(overrides)


def _flags(verb: str, arguments: list[str]) -> int:
    from hydra.errors import HydraException

    flags = [a.partition("=")[0] for a in arguments if a.startswith("-")]
    if not set(_ANSWERED).intersection(flags):
        raise _no_flag(verb, flags[0], arguments)
    groups = group_options(arguments)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            hydra_call(
                primary(verb), [forced(a, groups) if "=" in a and a[0] != "-" else a for a in arguments]
            )
    except SystemExit as end:  # of the parser of Hydra's flags
        if not end.code:
            return 0
        raise ConfigError(
            f"cannot parse the command: {said.getvalue().strip().rpartition('error: ')[2]}",
            remedy=f"medft {verb} --help   shows examples",
        ) from None
    except HydraException as error:
        raise ConfigError(
            f"cannot parse the command: {first_line(error)}",
            remedy=f"medft {verb} --help   shows examples",
        ) from error
    return 0


def _no_flag(verb: str, flag: str, arguments: list[str]) -> ConfigError:
    """Other tools write settings as flags, with their value behind them."""
    place = next(n for n, word in enumerate(arguments) if word.partition("=")[0] == flag)
    value = arguments[place].partition("=")[2] or next(iter(arguments[place + 1 :]), "")
    value = value if value and "=" not in value and value[0] != "-" else "..."
    name = flag.lstrip("-").replace("-", "_")
    meant = other_tools.called_here(name)
    own = keys(getattr(import_module(f"medft.verbs.{verb}"), f"{verb.capitalize()}Config"))
    here = [key for key in own if key.rpartition(".")[2] == name]
    written = meant.to_write(name, value) if meant else f"{here[0] if here else name}={value}"
    return ConfigError(
        f"there is no flag '{flag}'",
        remedy=f"settings have no dashes: {written}; medft {verb} --help   shows examples",
    )


def _sweep(overrides: list[str]) -> int:
    own = [o for o in overrides if not o.startswith("hydra") or o.startswith(SEARCHPATH)]
    how = [o for o in overrides if o not in own]
    resumed = value_of(own, "sweep.resume")
    screen = Screen()
    folder = _reopen(Path(resumed), own, how) if resumed else _open(own, how, screen)
    jobs = folder.jobs()
    todo = [job.number for job in jobs if job.state in ("to do", "failed")]
    screen.say(f"sweep {folder.root}: {_counts(folder) if resumed else _size(folder)}")
    for job in jobs:
        if job.state == "failed":
            folder.mark(job.number, "to do")
    folder.stop(False)
    with stoppable(folder, screen), echo(folder, screen):
        finish(folder, todo)
        if folder.search():
            _search(folder)
    return _conclude(folder, screen)


def _open(own: list[str], how: list[str], screen: Screen) -> SweepDir:
    """A new sweep's folder, after every job's settings have been built."""
    words = [o for o in how if o.startswith(WORDS)]
    on_cluster = [o for o in own if o.startswith(LAUNCHER)]
    how, own = [o for o in how if o not in words], [o for o in own if o not in on_cluster]
    demand_launch_words(how)
    for key, instead in _OF_ONE_RUN.items():
        if value_of(own, key) is not None:
            raise ConfigError(f"'{key}' is of one run, and not of a sweep", remedy=instead)
    if on_cluster:
        how = sent(on_cluster, how, own)
    search = read_search(words)
    grid = read_grid(own)
    jobs = grid.corners() if search else grid.jobs()
    sweeps = Path(value_of(own, "artifacts") or "artifacts") / "sweeps"
    folder = SweepDir(Path(value_of(how, "hydra.sweep.dir") or unused(sweeps / stamp())))
    if not search:
        varied = ", ".join(grid.varied) or "nothing, as every setting has one value"
        screen.say(f"{counted(len(jobs), 'run')}, varying {varied}")
    compose("train", how)
    with screen.bar(len(jobs), "checking settings") as advance:
        for job in jobs:
            settings("train", [*job, written("sweep.folder", folder.root)])
            advance(1)
    if folder.root.exists():
        raise RunError(
            "sweep folder already exists", where=str(folder.root), remedy=f"sweep.resume={folder.quoted}"
        )
    kept = [o for o in how if not o.startswith("hydra.sweep.dir=")]
    folder.create([] if search else jobs, grid.varied, kept, [*own, *words] if search else [])
    return folder


def _reopen(root: Path, own: list[str], how: list[str]) -> SweepDir:
    """The folder of a sweep to resume."""
    folder = SweepDir(root)
    surplus = [o for o in (*own, *how) if not o.startswith(("sweep.resume=", *LAUNCHER))]
    if surplus:
        raise ConfigError(
            f"a resumed sweep takes no further settings: {surplus[0]}",
            where=str(root),
            remedy=f"medft train -m sweep.resume={folder.quoted}   runs what is missing",
        )
    folder.jobs()
    if elsewhere := [o for o in own if o.startswith(LAUNCHER)]:
        folder.relaunch(resent(folder.launch(), elsewhere))
    return folder


def _search(folder: SweepDir) -> None:
    """Choose jobs and run them, until the search has had all its trials."""
    search, grid = _asked(folder)
    while not folder.stopping and (left := search.n_trials - len(folder.jobs())) > 0:
        known = [(job.overrides, result(folder, job)[1]) for job in folder.jobs()]
        chosen = propose(grid, search, known, min(left, search.n_jobs))
        finish(folder, [folder.add(overrides) for overrides in chosen])


def _asked(folder: SweepDir) -> tuple[SearchConfig, Grid]:
    words = folder.search()
    search = read_search([o for o in words if o.startswith(WORDS)]) or SearchConfig()
    return search, read_grid([o for o in words if not o.startswith(WORDS)])


def _conclude(folder: SweepDir, screen: Screen) -> int:
    jobs = folder.refresh()
    screen.say(f"sweep {folder.root}: {_counts(folder)}")
    if folder.search():
        _say_best(folder, screen)
    if all(job.state == "finished" for job in jobs) and not folder.stopping:
        screen.say(f"next    medft compare runs={folder.quoted}")
        return 0
    screen.say(f"next    {folder.again}")
    return 130 if folder.stopping else 1


def _say_best(folder: SweepDir, screen: Screen) -> None:
    """Write down and show which job of a search came out best."""
    results = {job: result(folder, job) for job in folder.jobs()}
    values = {job: value for job, (_, value) in results.items() if value is not None}
    if not values:
        return
    best = (min if _asked(folder)[0].direction == "minimize" else max)(values, key=values.__getitem__)
    metric = results[best][0]
    folder.note({"job": best.number, metric: values[best]})
    screen.say(f"best    [{best.number}] {folder.words(best)}: {metric} {values[best]:.4f}")


def _counts(folder: SweepDir) -> str:
    states = [job.state for job in folder.jobs()]
    known = {state: states.count(state) for state in ("finished", "failed", "running", "to do")}
    return ", ".join(f"{count} {state}" for state, count in known.items() if count) or "no job yet"


def _size(folder: SweepDir) -> str:
    if not folder.search():
        return counted(len(folder.jobs()), "job")
    search = _asked(folder)[0]
    return f"a search by Optuna, {search.n_trials} jobs, {search.n_jobs} at a time"
