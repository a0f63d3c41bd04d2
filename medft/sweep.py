"""Sweeps: every combination of a multirun as a process of its own, under Hydra's launchers, with an index.

Owns the list of a sweep's jobs, their processes and the sweep's exit code. Knows nothing of what a job does
but its command line and its run folder.

Each job is a fresh ``medft train`` process: what an engine patches, and the memory of a GPU, never reach the
next model. Hydra's launcher (serial, joblib, submitit) decides where and when jobs start.
"""

from __future__ import annotations

import fcntl
import itertools
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from medft.cli import settings
from medft.compose import register_resolvers
from medft.errors import ConfigError, RunError
from medft.paths import conf_dir
from medft.plan.machine import probe
from medft.runs import RunDir, read_json, write_json

INDEX = "index.json"
_TAIL = 8  # lines of a failed job that are shown


def hydra_main(verb: str, arguments: Sequence[str]) -> int:
    """Run a multirun, or let Hydra answer one of its own flags (``--cfg job``, ``--info``, ...).

    Returns:
        0, or 1 when a job failed.

    Raises:
        ConfigError: a job's settings are wrong; nothing has been started then.
    """
    if not {"-m", "--multirun"} & set(arguments):
        return _hydra(verb, list(arguments))
    if verb != "train":
        raise ConfigError(f"'medft {verb}' has no multirun", remedy="medft train -m ...")
    overrides = [a for a in arguments if a not in ("-m", "--multirun")]
    flags = [a for a in overrides if a.startswith("-")]
    if flags:
        raise ConfigError(f"a sweep knows no flag '{flags[0]}'", remedy="leave it out")
    return _sweep(overrides)


def _sweep(overrides: list[str]) -> int:
    resumed = [o.partition("=")[2] for o in overrides if o.startswith("sweep.resume=")]
    launch = [o for o in overrides if o.startswith("hydra")]
    if resumed:
        folder = Path(resumed[-1])
        jobs = _jobs(folder)
        todo = [job for job in jobs if _state(folder, job) != "done"]
        print(f"sweep {folder}: {len(jobs) - len(todo)} of {len(jobs)} jobs done, {len(todo)} to do")
    else:
        searched = [o for o in overrides if "sweeper" in o]
        if searched:  # a sweeper that chooses as it goes: no list of jobs beforehand
            return _hydra("train", ["-m", *overrides])
        jobs = [{"number": n, "overrides": job} for n, job in enumerate(_combinations(overrides))]
        for job in jobs:
            settings("train", job["overrides"])
        folder = _new_folder(overrides)
        todo = jobs
        _write_index(folder, jobs)
        print(f"sweep {folder}: {len(jobs)} jobs")
    if todo:
        numbers = ",".join(str(job["number"]) for job in todo)
        _hydra("train", ["-m", f"hydra.sweep.dir={folder}", f"+sweep.job={numbers}", *launch])
    return _conclude(folder)


def _combinations(overrides: Sequence[str]) -> list[list[str]]:
    """The command line of every job: the product of the values that a comma or ``range`` lists."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise ConfigError(f"the command cannot be read: {str(error).splitlines()[0]}") from error
    choices = [
        [f"{o.get_key_element()}={value}" for value in o.sweep_string_iterator()]
        if o.is_sweep_override()
        else [o.input_line]
        for o in parsed
        if not o.is_hydra_override()
    ]
    return [list(combination) for combination in itertools.product(*choices)]


def _hydra(verb: str, arguments: list[str]) -> int:
    import hydra

    register_resolvers()
    before, sys.argv = sys.argv, ["medft", *arguments]
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=verb)(_job)()
    finally:
        sys.argv = before
    return 0


def _job(config: Any) -> float:
    """One job of a multirun, in whatever process the launcher chose: a child ``medft train``, waited for."""
    from hydra.core.hydra_config import HydraConfig

    node = HydraConfig.get()
    folder = Path(node.sweep.dir)
    number = config.sweep.get("job")
    if number is None:  # from a sweeper that chooses as it goes
        number, overrides = node.job.num, [str(o) for o in node.overrides.task]
        _add_job(folder, {"number": number, "overrides": overrides})
    else:
        overrides = next(job["overrides"] for job in _jobs(folder) if job["number"] == number)
    return _run_child(folder, int(number), overrides)


def _run_child(folder: Path, number: int, overrides: list[str]) -> float:
    run, log = RunDir(folder / str(number)), folder / "logs" / f"{number}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    words = " ".join(overrides) or "defaults"
    if run.config.is_file():
        overrides = [f"resume='{run.root}'"]
    command = [sys.executable, "-m", "medft", "train", *overrides, f"sweep.folder='{folder}'"]
    if not run.config.is_file():
        command.append(f"run_dir='{run.root}'")
    began = time.perf_counter()
    with log.open("a", encoding="utf-8") as out, _gpu(folder) as environment:
        print(f"[{number}] {words}: started", flush=True)
        code = subprocess.run(command, stdout=out, stderr=out, env=environment, check=False).returncode
    seconds = time.perf_counter() - began
    if code or not run.summary.is_file():
        tail = "\n".join(f"    {line}" for line in log.read_text(encoding="utf-8").splitlines()[-_TAIL:])
        print(
            f"[{number}] {words}: FAILED after {seconds:.0f} s, exit code {code}; {log} ends\n{tail}",
            flush=True,
        )
        return math.nan
    summary = read_json(run.summary)
    value = summary[summary.get("objective", "validation_loss")]
    print(f"[{number}] {words}: done in {seconds:.0f} s, {_figures(summary)}", flush=True)
    return math.nan if value is None else float(value)


def _figures(summary: dict[str, Any]) -> str:
    known = {"validation loss": summary["validation_loss"], "bits/byte": summary["bits_per_byte"]}
    return ", ".join(f"{name} {value:.3f}" for name, value in known.items() if value is not None)


@contextmanager
def _gpu(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a job: one GPU of its own where there are several, waited for if all are taken."""
    environment = dict(os.environ)
    count = len(probe().gpus)
    if count < 2:
        yield environment
        return
    names = environment.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(count)))).split(",")
    held, index = _first_free([folder / "logs" / f".gpu{i}" for i in range(count)])
    try:
        yield environment | {"CUDA_VISIBLE_DEVICES": names[index]}
    finally:
        held.close()


def _first_free(locks: list[Path]) -> tuple[TextIO, int]:
    while True:
        for index, path in enumerate(locks):
            file = path.open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            return file, index
        time.sleep(1)


def _new_folder(overrides: Sequence[str]) -> Path:
    artifacts = next((o.partition("=")[2] for o in overrides if o.startswith("artifacts=")), "artifacts")
    named = [o.partition("=")[2] for o in overrides if o.startswith("hydra.sweep.dir=")]
    folder = Path(named[-1]) if named else Path(artifacts) / "sweeps" / time.strftime("%Y%m%d-%H%M%S")
    if (folder / INDEX).exists():
        raise RunError("there is a sweep in this folder", where=str(folder), remedy=f"sweep.resume={folder}")
    return folder


def _jobs(folder: Path) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = read_json(folder / INDEX)["jobs"]
    return jobs


def _state(folder: Path, job: dict[str, Any]) -> str:
    run = RunDir(folder / str(job["number"]))
    if run.summary.is_file():
        return "done"
    return "failed" if run.root.is_dir() or (folder / "logs" / f"{job['number']}.log").is_file() else "to do"


def _write_index(folder: Path, jobs: list[dict[str, Any]]) -> None:
    listed = [{**job, "state": _state(folder, job)} for job in jobs]
    write_json(folder / INDEX, {"jobs": listed})


def _add_job(folder: Path, job: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".index.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        jobs = _jobs(folder) if (folder / INDEX).is_file() else []
        _write_index(folder, [*jobs, job])


def _conclude(folder: Path) -> int:
    jobs = _jobs(folder)
    _write_index(folder, jobs)
    states = [_state(folder, job) for job in jobs]
    print(f"sweep {folder}: {states.count('done')} done, {len(jobs) - states.count('done')} not done")
    if all(state == "done" for state in states):
        print(f"next    medft compare runs={folder}")
        return 0
    print(f"next    medft train -m sweep.resume={folder}")
    return 1
