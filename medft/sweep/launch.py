"""Jobs started by Hydra's launchers (serial, joblib, submitit, ray), which decide where and when."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medft.compose import register_resolvers
from medft.errors import RunError
from medft.overrides import written
from medft.paths import conf_dir
from medft.sweep.folder import SweepDir
from medft.sweep.job import run_job
from medft.sweep.watch import settle

_QUIET = ("hydra/hydra_logging=none", "hydra/job_logging=none", "hydra.output_subdir=null")


def launch(folder: SweepDir, jobs: Sequence[int]) -> None:
    """Run jobs of a sweep, as its folder says they are started; returns when all have ended.

    Raises:
        RunError: the launcher failed; how each job stands is in the folder.
    """
    place = (written("hydra.sweep.dir", folder.root), f"hydra.sweep.subdir={folder.logs.name}")
    try:
        hydra_app(None, ["-m", *place, *_QUIET, *folder.launch(), f"+job={','.join(map(str, jobs))}"])
    except Exception as error:
        if folder.stopping:  # a terminal's Ctrl-C also ends the processes of a launcher
            settle(folder)
            return
        raise RunError(
            f"Hydra's launcher failed: {type(error).__name__}, {first_line(error)}",
            where=str(folder.root),
            remedy=folder.again,
        ) from error


def first_line(error: Exception) -> str:
    """The first line of an error's text."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")


def hydra_app(config: str | None, arguments: list[str]) -> None:
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
