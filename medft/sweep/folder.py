"""A sweep's folder: which jobs it has, how each stands, and what is said about them.

    artifacts/sweeps/<stamp>/
      index.json       the jobs, with their command lines and states
      0/ 1/ ...        their run folders
      logs/            sweep.log, and one file per job with all that its process wrote

Jobs on several machines of one file system may share a folder: every change happens under a lock.
"""

from __future__ import annotations

import fcntl
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from medft.errors import RunError
from medft.files import read_json, take, write_json
from medft.runs import RunDir
from medft.runs.values import number as number_of
from medft.runs.values import strings, text

INDEX = "index.json"
JobState = Literal["to do", "running", "finished", "failed"]
Verb = Literal["train", "evaluate"]


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a sweep."""

    number: int
    """Names its run folder."""
    overrides: tuple[str, ...]
    """Its command line after ``medft train``, or the sweep's other command."""
    state: JobState = "to do"
    """How it stands; an interrupted or killed job is to do again."""
    seconds: float = 0.0
    """How long its processes ran, those that were killed together with the sweep aside."""


@dataclass(frozen=True, slots=True)
class SweepDir:
    """The folder of one sweep."""

    root: Path
    """``artifacts/sweeps/<stamp>``"""

    @property
    def quoted(self) -> str:
        """``root`` as a shell wants it typed."""
        return shlex.quote(str(self.root))

    @property
    def logs(self) -> Path:
        """What the jobs' processes wrote."""
        return self.root / "logs"

    @property
    def said(self) -> Path:
        """The lines about jobs, in the order in which they happened."""
        return self.logs / "sweep.log"

    def run(self, number: int) -> RunDir:
        """A job's run folder."""
        return RunDir(self.root / str(number))

    def log(self, number: int) -> Path:
        """All that a job's process wrote."""
        return self.logs / f"{number}.log"

    def process(self, number: int) -> Path:
        """Where a job's process says which it is: host and id of its session."""
        return self.logs / f"{number}.pid"

    def create(
        self,
        jobs: Sequence[Sequence[str]],
        varied: Sequence[str],
        launch: Sequence[str],
        search: Sequence[str] = (),
        verb: Verb = "train",
        again: str = "",
    ) -> None:
        """Write the index of a new sweep.

        Args:
            jobs: their command lines.
            varied: the keys in which they differ.
            launch: how jobs are started: overrides of Hydra's own settings.
            search: the command line of a search, which chooses jobs as it goes; empty for a grid.
            verb: the command that every job runs.
            again: the command that resumes the sweep; empty: ``medft train -m``.
        """
        self.logs.mkdir(parents=True)
        listed = [asdict(Job(n, tuple(job))) for n, job in enumerate(jobs)]
        index = {"varied": list(varied), "launch": list(launch), "search": list(search), "verb": verb}
        write_json(self.root / INDEX, {**index, "again": again, "jobs": listed})

    def jobs(self) -> list[Job]:
        """Every job as it stands now.

        Raises:
            RunError: this is no sweep's folder.
        """
        index = self._read()
        listed = index.get("jobs")
        if not isinstance(listed, list):
            raise RunError(f"{INDEX} is damaged: it lists no jobs", where=str(self.root))
        jobs = [self._job(place, row) for place, row in enumerate(listed)]
        trains = _verb(index) == "train"
        return [self._now(job, trains) for job in jobs]

    def launch(self) -> list[str]:
        """How jobs are started."""
        return list(strings(self._read().get("launch")))

    def relaunch(self, words: Sequence[str]) -> None:
        """Start the jobs that are left in another way."""
        with self._locked():
            write_json(self.root / INDEX, {**self._read(), "launch": list(words)})

    def search(self) -> list[str]:
        """The command line of a search, which chooses jobs as it goes; empty for a grid."""
        return list(strings(self._read().get("search")))

    def add(self, overrides: Sequence[str]) -> int:
        """A further job, which a search has chosen; returns its number."""
        with self._locked():
            jobs = self.jobs()
            self._update([*jobs, Job(len(jobs), tuple(overrides))])
            return len(jobs)

    def mark(self, number: int, state: JobState, seconds: float = 0.0) -> None:
        """Write down how a job stands, and for how long it has run since that was last written."""
        with self._locked():
            self._update(
                [
                    replace(job, state=state, seconds=job.seconds + seconds) if job.number == number else job
                    for job in self.jobs()
                ]
            )

    @property
    def verb(self) -> Verb:
        """The command that every job runs."""
        return _verb(self._read())

    @property
    def again(self) -> str:
        """The command that resumes the sweep."""
        return text(self._read().get("again")) or f"medft train -m sweep.resume={self.quoted}"

    def allow(self, hours: float | None) -> None:
        """Let jobs start until theirs have run for so long together; None: without a limit."""
        with self._locked():
            write_json(self.root / INDEX, {**self._read(), "hours": hours})

    @property
    def spent(self) -> bool:
        """Whether the time that was allowed is over."""
        hours = number_of(self._read(), "hours")
        return hours is not None and sum(job.seconds for job in self.jobs()) >= 3600 * hours

    def refresh(self) -> list[Job]:
        """Write down how every job stands by now; the same as ``jobs``."""
        with self._locked():
            jobs = self.jobs()
            self._update(jobs)
            return jobs

    def words(self, job: Job) -> str:
        """What tells ``job`` from the others."""
        varied = strings(self._read().get("varied"))
        return " ".join(o for o in job.overrides if o.partition("=")[0] in varied) or "as asked"

    def note(self, best: Mapping[str, float]) -> None:
        """Write down the best job of a search, with its result."""
        with self._locked():
            write_json(self.root / INDEX, {**self._read(), "best": dict(best)})

    def say(self, words: str) -> None:
        """Add a line about the sweep; whoever watches it shows it."""
        with self.said.open("a", encoding="utf-8") as file:
            file.write(f"{words}\n")

    @property
    def stopping(self) -> bool:
        """Whether jobs are asked to save and end."""
        return self._stop.exists()

    def stop(self, wanted: bool) -> None:
        """Ask jobs to save and end, on whatever machine they run; or take that back."""
        if wanted:
            self._stop.touch()
        else:
            self._stop.unlink(missing_ok=True)

    @property
    def _stop(self) -> Path:
        return self.logs / ".stop"

    def done(self, number: int) -> bool:
        """Whether a job whose process ended well has left what it was for."""
        return self.verb != "train" or self.run(number).summary.is_file()

    def _job(self, place: int, row: object) -> Job:
        """One job of the list, which names its folder and goes into a command line: nothing is guessed."""
        if isinstance(row, dict) and row.get("number") == place:
            state: JobState | None = next((s for s in get_args(JobState) if s == row.get("state")), None)
            words, seconds = row.get("overrides"), number_of(row, "seconds") or 0.0
            texts = isinstance(words, list) and all(isinstance(word, str) for word in words)
            if state and texts and math.isfinite(seconds):
                return Job(place, tuple(words or ()), state, seconds)
        raise RunError(
            f"{INDEX} is damaged: what it says of job {place} is no job",
            where=str(self.root),
            remedy="copy it again, or start the sweep anew",
        )

    def _now(self, job: Job, trains: bool) -> Job:
        if trains and self.run(job.number).summary.is_file():
            return replace(job, state="finished")
        if job.state == "running" and not self._held(job.number):
            return replace(job, state="to do")  # killed together with whoever watched it
        return job

    def _held(self, number: int) -> bool:
        try:
            with self.log(number).open() as file:
                return not take(file, shared=True)
        except FileNotFoundError:
            return False

    def _read(self) -> dict[str, Any]:
        return read_json(self.root / INDEX)

    def _update(self, jobs: list[Job]) -> None:
        write_json(self.root / INDEX, {**self._read(), "jobs": [asdict(job) for job in jobs]})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.logs / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _verb(index: Mapping[str, Any]) -> Verb:
    return "evaluate" if index.get("verb") == "evaluate" else "train"
