"""Commands of medft in processes of their own, without the seconds that a process needs to import torch."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType

from medft.cli import main
from tests.support.process import ROOT

HEAVY = (
    "torch", "transformers.models.mistral.modeling_mistral", "peft", "trl.trainer.sft_trainer", "pandas",
    "matplotlib.figure", "pydantic", "rouge_score.rouge_scorer",
    "hydra.core.override_parser.overrides_parser",
    "medft.data.readers.hub", "medft.engine.transformers_engine", "medft.evaluation.suites.text",
    "medft.first_contact", "medft.report.curves", "medft.report.dataset.page", "medft.sweep.command",
    "medft.training.run", "medft.training.sft.build", "medft.verbs.evaluate", "medft.verbs.merge",
    "medft.verbs.prepare", "medft.verbs.train",
)  # fmt: skip
"""What most commands import."""


@dataclass(frozen=True, slots=True)
class Order:
    """A command that is to be run."""

    command: tuple[str, ...]
    """After ``medft``."""
    folder: Path
    """Where it runs, with a folder ``tmp`` for temporary files."""
    said: Path
    """The file that its output is added to."""
    first: str = ""
    """``module:function``: what its process calls first."""


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
        self._answer()  # it has imported

    def start(self, order: Order, limits: Mapping[str, int] | None = None) -> int:
        """Start a command; returns its process.

        Args:
            order: the command.
            limits: resource limits by name: RLIMIT_AS in bytes beyond what the process has at its beginning.
        """
        return self._asked({"order": asdict(order), "limits": limits or {}})

    def end_of(self, child: int) -> int:
        """Wait for a command; its exit code, or less the signal that ended it."""
        return self._asked({"child": child})

    def _asked(self, order: Mapping[str, object]) -> int:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order, default=str) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout
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
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # libraries print while they are imported
        for name in sys.argv[1:]:
            import_module(name)
        print(0, file=answers, flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            if "child" in order:
                _, status = os.waitpid(order["child"], 0)
                print(os.waitstatus_to_exitcode(status), file=answers, flush=True)
            else:
                print(_fork(Order(**order["order"]), order["limits"]), file=answers, flush=True)


def _fork(order: Order, limits: Mapping[str, int]) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        os.chdir(order.folder)
        os.environ.update(TMPDIR=f"{order.folder}/tmp", XDG_CACHE_HOME=f"{order.folder}/cache")
        out = os.open(order.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), out, out)):
            os.dup2(file, number)
        for name, limit in limits.items():
            _limit(getattr(resource, name), limit)
        module, _, function = order.first.partition(":")
        if module:
            getattr(import_module(module), function)()
        code = main(order.command)
    finally:
        os._exit(code)


def _limit(kind: int, limit: int) -> None:
    if kind == resource.RLIMIT_AS:
        limit += int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    _serve()
