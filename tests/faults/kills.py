"""kill -9 at a random moment of a command, then the same command again: the result must equal that of one
that was left alone, and nothing may lie about.

tests/faults/test_kills.py deals two to each kind of command, tests/benchmarks/bench_kills.py twenty.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medft.cli import main
from tests.support.process import ROOT
from tests.support.trained_run import share_twins

RECIPE = (
    "model=mistral", "scale=tiny", "merge=false", "logger.wandb=off", "trainer.max_steps=4",
    "trainer.eval_steps=2", "trainer.save_steps=1", "trainer.per_device_batch_size=4", "dataset.limit=60",
)  # fmt: skip
DATA = ("dataset=sample", "scale=tiny", "dataset.limit=120")
_LEFT = re.compile(r"\..+\.(part|old)")


@dataclass(frozen=True, slots=True)
class Killable:
    """A command, and what it comes to."""

    name: str
    """Of the verb."""
    command: tuple[str, ...]
    """As it is typed, and typed again."""
    again: tuple[str, ...]
    """What is typed after a kill, once there is something to go on with."""
    begun: str
    """The file that says so."""
    result: tuple[str, ...]
    """Patterns of the files that hold the result."""


PREPARED = ("data/processed/*/*.parquet", "data/processed/*/ledger.json")
TRAINED = "artifacts/runs/a/b"
KINDS = (
    Killable("prepare", ("prepare", *DATA), (), "", PREPARED),
    Killable(
        "train", ("train", *RECIPE, f"run_dir={TRAINED}"), ("train", f"resume={TRAINED}"),
        f"{TRAINED}/config.yaml", (f"{TRAINED}/adapter/*.safetensors",),
    ),
)  # fmt: skip


def whole(kind: Killable, folder: Path) -> tuple[dict[str, str], float]:
    """The result of the command when it is left alone, and the seconds that it takes."""
    _fresh(kind, folder)
    began = time.monotonic()
    assert run_child(folder, kind.command) == 0, kind.name
    return result(kind, folder), time.monotonic() - began


def killed(kind: Killable, folder: Path, moment: float) -> tuple[dict[str, str], bool, list[str]]:
    """The result after a kill and the same command again; whether it was still at work when it was killed;
    and what was left lying about."""
    _fresh(kind, folder)
    hit = run_child(folder, kind.command, moment) is None
    begun = bool(kind.begun) and (folder / kind.begun).is_file()
    finished = begun and (folder / kind.begun).with_name("summary.json").is_file()
    if not finished:
        command = kind.again if begun else kind.command
        assert run_child(folder, command) == 0, f"{kind.name}: {command} after a kill at {moment:.2f} s"
    left = [str(p.relative_to(folder)) for p in folder.rglob(".*") if _LEFT.fullmatch(p.name)]
    return result(kind, folder), hit, left


def result(kind: Killable, folder: Path) -> dict[str, str]:
    """Digests of the files that hold the result."""
    files = sorted(path for pattern in kind.result for path in folder.glob(pattern) if path.is_file())
    assert files, f"{kind.name} has left no result"
    return {str(p.relative_to(folder)): _digest(p) for p in files}


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".jsonl":  # answers may come in another order
        content = b"\n".join(sorted(content.splitlines()))
    return hashlib.sha256(content).hexdigest()


def _fresh(kind: Killable, folder: Path) -> None:
    for name in ("artifacts", "data"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "artifacts").mkdir(parents=True)
    share_twins(folder / "artifacts" / "tiny")


def run_child(folder: Path, command: Sequence[str], moment: float | None = None) -> int | None:
    """The exit code of a command in a process of its own with all that it starts, killed after ``moment``
    seconds; None when that came first."""
    order = {"folder": str(folder), "command": list(command), "moment": moment}
    server = _server()
    assert server.stdin and server.stdout
    server.stdin.write(json.dumps(order) + "\n")
    server.stdin.flush()
    code: int | None = json.loads(server.stdout.readline())
    return code


@functools.cache
def _server() -> subprocess.Popen[str]:
    """A process that has imported what is slow to import and computed nothing, so that its forks are safe."""
    pipe = subprocess.PIPE
    words = [sys.executable, "-m", "tests.faults.kills"]
    server = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
    atexit.register(server.kill)
    return server


def _serve() -> None:
    import torch
    import transformers

    assert torch and transformers
    for line in sys.stdin:
        print(json.dumps(_fork(**json.loads(line))), flush=True)


def _fork(folder: str, command: list[str], moment: float | None) -> int | None:
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setsid()
            os.chdir(folder)
            log = os.open("said.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            code = main(command)
        finally:
            os._exit(code)
    end = None if moment is None else time.monotonic() + moment
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if end is not None and time.monotonic() > end:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.002)


def moments(seconds: float, count: int, seed: int) -> list[float]:
    """Random moments of a command's life."""
    draw = random.Random(seed)
    return [draw.uniform(0, seconds) for _ in range(count)]


if __name__ == "__main__":
    _serve()
