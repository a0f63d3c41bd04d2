"""Trains the runs of a study as a sweep and evaluates them: existing runs are found, missing ones started,
failures reported with their reason."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medft.aliases import Json
from medft.config import plain
from medft.errors import RunError
from medft.files import stamp, unused
from medft.runs import RunDir
from medft.runs.record import RunRecord
from medft.runs.values import mapping
from medft.screen import Screen
from medft.study import asking, reuse
from medft.study.cells import Trial, trials
from medft.study.config import StudyConfig, words
from medft.study.expected import Expected
from medft.study.folder import StudyDir
from medft.sweep.folder import Job, SweepDir
from medft.sweep.launch import finish
from medft.sweep.watch import echo, stoppable

_POLL = 2.0  # seconds between looks at jobs that another process started
_LAST = 2  # lines of a log that say why a job failed


def standing(study: StudyConfig, expected: Sequence[Expected], folder: StudyDir) -> list[Trial]:
    """How every run of the study stands: finished here or elsewhere under artifacts, failed, or to do."""
    there, sweep = reuse.finished(study.artifacts), folder.sweep
    jobs = {job.overrides: job for job in sweep.jobs()} if sweep else {}
    of = {each.cell.label: each for each in expected}
    found = []
    for cell, seed, typed in trials(study, [each.cell for each in expected]):
        run = reuse.same(of[cell.label], seed, there)
        trial = Trial(cell, seed, run or RunDir(folder.root / "not started"))
        if run is not None:
            own = sweep is not None and run.root.parent.resolve() == sweep.root.resolve()
            trial = replace(trial, state="finished", reused=not own)
        elif sweep and typed in jobs and reuse.begun(of[cell.label], sweep.run(jobs[typed].number)):
            trial = _unfinished(trial, jobs[typed], sweep)
        found.append(trial)
    return found


def train(study: StudyConfig, folder: StudyDir, found: Sequence[Trial], screen: Screen) -> bool:
    """Train what has not finished. Returns whether it came to its end, and was not stopped."""
    if all(trial.state == "finished" for trial in found):
        return True
    sweep = folder.sweep or _new_sweep(study, folder)
    begun = {trial.run.root for trial in found} & {sweep.run(job.number).root for job in sweep.jobs()}
    typed = {(cell.label, seed): line for cell, seed, line in trials(study, [t.cell for t in found])}
    numbers = [
        int(trial.run.root.name)
        if trial.run.root in begun
        else sweep.add(typed[trial.cell.label, trial.seed])
        for trial in found
        if trial.state != "finished"
    ]
    sweep.allow(study.hours)
    return _run(sweep, numbers, screen)


def _new_sweep(study: StudyConfig, folder: StudyDir) -> SweepDir:
    sweep = SweepDir(unused(study.artifacts / "sweeps" / f"{stamp()}-{study.name}"))
    varied = ("model", "dataset", "template", *study.vary, "seed")
    sweep.create([], varied, words(study.launch), again=study.again)
    folder.write_sweep(sweep)
    return sweep


def evaluate(
    study: StudyConfig, folder: StudyDir, found: Sequence[Trial], screen: Screen
) -> tuple[bool, list[Trial]]:
    """Ask every finished run and its base the same items.

    Returns:
        Whether it came to its end, and was not stopped; and the runs, those not asked as failed.
    """
    runs = [trial.run for trial in found if trial.state == "finished"]
    if not runs:
        return True, list(found)
    wanted: Json = {name: plain(suite) for name, suite in asking.evaluation(study).suite.items()}
    sweep = SweepDir(folder.evaluation)
    if not sweep.root.exists():
        sweep.create([], ("suite",), words(study.launch), verb="evaluate", again=study.again)
    batches = [[run] for run in runs] if study.launch else [runs]
    jobs = {job.overrides: job for job in sweep.jobs()}
    commands = [tuple(asking.command(study, of, [r for r in runs if r not in of])) for of in batches]
    numbers = [jobs[typed].number if typed in jobs else sweep.add(typed) for typed in commands]
    todo = [
        number
        for number, typed, of in zip(numbers, commands, batches, strict=True)
        if not (typed in jobs and jobs[typed].state == "finished" and not _unanswered(wanted, of))
    ]
    ended = not todo or _run(sweep, todo, screen)
    by_run = {run.root: number for number, of in zip(numbers, batches, strict=True) for run in of}
    return ended, [_asked(wanted, trial, sweep, by_run) for trial in found]


def _run(sweep: SweepDir, numbers: Sequence[int], screen: Screen) -> bool:
    """Run jobs to their end. Those that a killed study left running are waited for, and resumed where they
    have not finished."""
    sweep.stop(False)
    with stoppable(sweep, screen), echo(sweep, screen):
        while held := [job.number for job in _jobs(sweep, numbers) if job.state == "running"]:
            screen.line("waiting", f"for {len(held)} jobs started by an earlier command")
            while any(job.state == "running" for job in _jobs(sweep, held)) and not sweep.stopping:
                time.sleep(_POLL)
        jobs, trains = _jobs(sweep, numbers), sweep.verb == "train"
        todo = [job.number for job in jobs if not (trains and job.state == "finished")]
        for number in todo:
            sweep.mark(number, "to do")
        if todo and not sweep.stopping:
            finish(sweep, todo)
        sweep.refresh()
    return not sweep.stopping


def _jobs(sweep: SweepDir, numbers: Sequence[int]) -> list[Job]:
    return [job for job in sweep.jobs() if job.number in numbers]


def _unfinished(trial: Trial, job: Job, sweep: SweepDir) -> Trial:
    trial = replace(trial, run=sweep.run(job.number))
    if job.state == "failed":
        return replace(trial, state="failed", reason=_reason(sweep.log(job.number)))
    if sweep.spent:
        return replace(trial, reason="not started: the study's time budget is spent")
    return trial


def _asked(wanted: Json, trial: Trial, sweep: SweepDir, by_run: Mapping[Path, int]) -> Trial:
    if trial.state != "finished" or not (missing := _unanswered(wanted, [trial.run])):
        return trial
    log = sweep.log(by_run[trial.run.root])
    why = _reason(log, f"{trial.run.root}: not evaluated: ")
    return replace(trial, state="failed", reason=f"not evaluated on {', '.join(missing)}: {why}")


def _unanswered(wanted: Json, runs: Sequence[RunDir]) -> list[str]:
    """The suites that have no result of one of the runs, or one of other settings than the study's."""
    results = [RunRecord(run).suites for run in runs]
    return [
        name
        for name, suite in wanted.items()
        if any(mapping(of.get(name, {}), "settings").get("suite") != suite for of in results)
    ]


def _reason(log: Path, before: str = "error: ") -> str:
    """Why a job failed: what its process said last as an error, or at all."""
    try:
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return "its log is missing"
    except OSError as error:
        raise RunError(f"a log cannot be read: {error.strerror}", where=str(log)) from None
    for mark in (before, "error: "):
        if found := [line.partition(mark)[2] for line in said if mark in line]:
            return found[-1].strip()
    return " ".join(line.strip() for line in said[-_LAST:]) or "no output"
