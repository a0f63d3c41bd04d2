"""Commands of medft in processes of their own, without the seconds that a process needs to import torch."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType

from medft.cli import main
from tests.support.process import ROOT

HEAVY = (
    "torch", "transformers", "peft", "trl", "pandas", "matplotlib.figure", "medft.training.run",
    "medft.report.curves", "medft.report.dataset.page", "medft.verbs.train", "medft.verbs.prepare",
    "medft.verbs.evaluate", "medft.verbs.merge", "medft.sweep.command",
)  # fmt: skip
"""What most commands import."""


class Forks:
    """A process that has imported what is slow to import and computed nothing, so that its forks are safe.

    Args:
        environment: what the commands are told besides the environment of this process.
        imports: what is slow to import.
    """

    def __init__(self, environment: Mapping[str, str], imports: Sequence[str] = HEAVY) -> None:
        words = [sys.executable, "-m", "tests.faults.forks", *imports]
        told = {**os.environ, "WANDB_MODE": "offline", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            words, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=told | dict(environment)
        )

    def start(
        self, command: Sequence[str], folder: Path, said: Path, limits: Mapping[str, int] | None = None
    ) -> int:
        """Start a command in ``folder``; returns its process.

        Args:
            command: after ``medft``.
            folder: where it runs, with a folder ``tmp`` for temporary files.
            said: the file that its output is added to.
            limits: resource limits by name: RLIMIT_AS in bytes beyond what the process has at its beginning.
        """
        order = {"command": list(command), "folder": str(folder), "said": str(said), "limits": limits or {}}
        return self._asked(order)

    def end_of(self, child: int) -> int:
        """Wait for a command; its exit code, or less the signal that ended it."""
        return self._asked({"child": child})

    def _asked(self, order: Mapping[str, object]) -> int:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> Forks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


def _serve() -> None:
    for name in sys.argv[1:]:
        import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        if "child" in order:
            _, status = os.waitpid(order["child"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
        else:
            print(_fork(**order), flush=True)


def _fork(command: list[str], folder: str, said: str, limits: Mapping[str, int]) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        os.environ.update(TMPDIR=f"{folder}/tmp", XDG_CACHE_HOME=f"{folder}/cache")
        out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), out, out)):
            os.dup2(file, number)
        for name, limit in limits.items():
            _limit(getattr(resource, name), limit)
        code = main(command)
    finally:
        os._exit(code)


def _limit(kind: int, limit: int) -> None:
    if kind == resource.RLIMIT_AS:
        limit += int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    _serve()
