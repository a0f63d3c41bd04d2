"""Run folders: the names of their files, and their states."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from medft import slurm
from medft.errors import RunError
from medft.files import read_json, take, write_json

State = Literal["finished", "running", "interrupted", "failed", "killed"]


@dataclass(frozen=True, slots=True)
class RunDir:
    """One run's folder. Every later command needs only this folder."""

    root: Path
    """``artifacts/runs/<model>[-tiny]-<dataset>-<template>/<stamp>``"""

    @property
    def name(self) -> str:
        """``<model>[-tiny]-<dataset>-<template>/<stamp>``, or ``<sweep>/<job>``"""
        return f"{self.root.parent.name}/{self.root.name}"

    @property
    def quoted(self) -> str:
        """``root`` as a shell wants it typed."""
        return shlex.quote(str(self.root))

    @property
    def config(self) -> Path:
        """The composed settings, enough to run it again."""
        return self.root / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions, commit, hardware, seeds, and what was resolved with its reasons."""
        return self.root / "environment.json"

    @property
    def plan(self) -> Path:
        """What was expected before step 1: steps, tokens, memory, disk, time."""
        return self.root / "plan.json"

    @property
    def ledger(self) -> Path:
        """Rows in, kept, dropped by reason; fingerprints."""
        return self.root / "ledger.json"

    @property
    def loss_csv(self) -> Path:
        """One line per logged step, flushed as it is written."""
        return self.root / "loss.csv"

    @property
    def loss_png(self) -> Path:
        """The loss curve."""
        return self.root / "loss.png"

    @property
    def log(self) -> Path:
        """What the libraries said."""
        return self.root / "run.log"

    @property
    def checkpoints(self) -> Path:
        """Resumable states."""
        return self.root / "checkpoints"

    @property
    def adapter(self) -> Path:
        """LoRA weights with tokenizer and chat template."""
        return self.root / "adapter"

    @property
    def merged(self) -> Path:
        """16-bit weights that plain transformers loads."""
        return self.root / "merged"

    @property
    def evaluation(self) -> Path:
        """One JSON per suite, and the answers it was computed from."""
        return self.root / "evaluation"

    @property
    def summary(self) -> Path:
        """The figures; written last, so its presence means that the run finished."""
        return self.root / "summary.json"

    @property
    def status(self) -> Path:
        """The state while there is no summary."""
        return self.root / "status.json"

    def mark(self, state: State, reason: str = "") -> None:
        """Write down the state of a run that has not finished (``reason`` without record text)."""
        write_json(
            self.status,
            {
                "state": state,
                "reason": reason,
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "slurm_job": slurm.job(),
                "time": time.time(),
            },
        )

    def state(self) -> State:
        """finished, running, interrupted (Ctrl-C), failed (an error), or killed (its process is gone)."""
        if self.summary.is_file():
            return "finished"
        if not self.status.is_file():
            return "killed"
        status = read_json(self.status)
        for state in get_args(State):
            if isinstance(status, dict) and status.get("state") == state:
                return "killed" if state == "running" and not self._is_held() else state
        raise RunError("status.json is damaged: it names no state", where=str(self.status))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder against every other process: while this one lives, and no longer, what is marked
        running counts as running.

        Raises:
            RunError: another process holds it.
        """
        with self._lock.open("a+") as file:
            if not take(file):
                file.seek(0)
                raise RunError(
                    f"another process is using this run folder ({file.read(200) or 'unknown'})",
                    where=str(self.root),
                    remedy="wait for it, or stop it",
                )
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            yield

    @property
    def _lock(self) -> Path:
        return self.root / ".lock"

    def _is_held(self) -> bool:
        try:
            with self._lock.open() as file:
                return not take(file, shared=True)
        except FileNotFoundError:
            return False
