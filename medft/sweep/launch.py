"""Starts the jobs of a sweep, under Hydra's own launchers or on a cluster, and again when they are killed.

Where to look for: what a launcher is given, and what becomes of jobs that are left.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from medft.compose import register_resolvers, settings
from medft.errors import ConfigError, RunError
from medft.overrides import written
from medft.paths import conf_dir
from medft.sweep import cluster
from medft.sweep.folder import SweepDir
from medft.sweep.job import run_job
from medft.sweep.watch import settle

LAUNCHER = ("launcher=", "launcher.")
"""How the words begin that say which cluster runs the jobs."""
_OURS = (*LAUNCHER, "sweep.gpus_per_job=")
_HYDRAS = ("hydra/launcher=", "hydra.launcher.", "hydra.sweep.dir=")
_QUIET = ("hydra/hydra_logging=none", "hydra/job_logging=none", "hydra.output_subdir=null")
_STARTS = 3  # of a job that is killed again and again


def demand_launch_words(words: Sequence[str]) -> None:
    """Refuse words that are to say how jobs are started, and that no launcher reads.

    Raises:
        ConfigError: naming the first.
    """
    for word in words:
        if not word.lstrip("+").startswith((*_HYDRAS, *_OURS)):
            raise ConfigError(
                f"'{word.partition('=')[0]}' has no effect on a sweep",
                where=word,
                remedy="hydra/launcher=joblib, launcher=slurm and their settings, hydra.sweep.dir=<folder>",
            )


def finish(folder: SweepDir, numbers: Collection[int]) -> None:
    """Run jobs to their end, and wait for those that another machine has taken; what was killed together with
    whoever watched it is started again.

    Raises:
        RunError: the launcher failed, and jobs are left.
    """
    failed: RunError | None = None
    for start in range(_STARTS):
        left = [job.number for job in folder.jobs() if job.number in numbers and job.state == "to do"]
        if folder.stopping or not left or (start and folder.spent):
            return
        try:
            _launch(folder, left)
        except RunError as error:
            failed = error
        settle(folder)
    if failed and not folder.stopping and any(job.state == "to do" for job in folder.jobs()):
        raise failed


def _launch(folder: SweepDir, jobs: Sequence[int]) -> None:
    words = [word for word in folder.launch() if word.startswith(_OURS)]
    hydras = [word for word in folder.launch() if word not in words]
    if words and (config := _cluster(words)):
        cluster.launch(folder, jobs, config)
        return
    place = (written("hydra.sweep.dir", folder.root), f"hydra.sweep.subdir={folder.logs.name}")
    try:
        hydra_call(None, ["-m", *place, *_QUIET, *hydras, f"+job={','.join(map(str, jobs))}"])
    except Exception as error:
        if folder.stopping:  # a terminal's Ctrl-C also ends the processes of a launcher
            return
        raise RunError(
            f"Hydra's launcher failed: {type(error).__name__}, {first_line(error)}",
            where=str(folder.root),
            remedy=folder.again,
        ) from error


def sent(words: list[str], launch: list[str], own: list[str]) -> list[str]:
    """How the jobs are sent to a cluster: `launcher=...`, with as many GPUs as each of them takes.

    Raises:
        ConfigError: a wrong setting, or a launcher of Hydra's besides.
    """
    if hydra := [o for o in launch if o.startswith(("hydra/launcher", "hydra.launcher"))]:
        raise ConfigError(f"two launchers: {words[0]} and {hydra[0]}", remedy="remove one of them")
    gpus = [o for o in own if o.startswith("sweep.gpus_per_job=")]
    _cluster([*words, *gpus])
    return [*launch, *words, *gpus]


def resent(before: list[str], words: list[str]) -> list[str]:
    """How the jobs that are left are started: as ``before``, with ``words`` of `launcher=...` besides; a
    launcher that is named anew, or null, replaces all that was said of the other.

    Raises:
        ConfigError: a wrong setting.
    """
    named = any(word.startswith("launcher=") for word in words)
    kept = [word for word in before if not (named and word.startswith(LAUNCHER))]
    now = [*kept, *(word for word in words if word != "launcher=null")]
    _cluster([word for word in now if word.startswith(_OURS)])
    return now


def _cluster(words: list[str]) -> cluster.LauncherConfig | None:
    """What `launcher=...` asks of a cluster; None where it is not given."""
    found: cluster.LauncherConfig | None = settings("train", [*words, "sweep.folder=."]).launcher
    return found


def hydra_call(config: str | None, arguments: list[str]) -> None:
    """Hydra's own command line, over a file of conf/; to launch jobs it needs none."""
    import hydra

    register_resolvers()
    before, sys.argv = sys.argv, ["medft", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come back to medft instead of being printed by Hydra
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=config)(_job)()
    finally:
        sys.argv = before


def _job(config: Any) -> None:
    """One job of a multirun, in whatever process the launcher chose."""
    from hydra.core.hydra_config import HydraConfig

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a worker's process
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the business of the sweep's own process
    folder = SweepDir(Path(HydraConfig.get().sweep.dir))
    if not folder.stopping:
        run_job(folder, int(config.job))


def first_line(error: Exception) -> str:
    """The first line of an error's text that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
