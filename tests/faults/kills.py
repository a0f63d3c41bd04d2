"""kill -9 at random moments of a command, then the same command again: the result must equal that of one that
was left alone, and nothing may lie about.

tests/faults/test_kills.py deals two to each kind of command, tests/benchmarks/bench_kills.py twenty.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.faults.forks import HEAVY, Forks, Order
from tests.support import run_folder, trained_run
from tests.support.hub_client import WRITE_TOKEN
from tests.support.hub_server import Hub, running_hub

RECIPE = (
    "model=mistral", "scale=tiny", "merge=false", "logger.wandb=off", "trainer.max_steps=4",
    "trainer.eval_steps=4", "trainer.save_steps=1", "trainer.per_device_batch_size=2", "dataset.limit=40",
)  # fmt: skip
DATA = ("dataset=sample", "scale=tiny", "dataset.limit=120")
TRAINED, SWEPT = "artifacts/runs/a/b", "artifacts/sweeps/s"
STAMP = "20261120-101500"
_TIMES = re.compile(r'"(seconds|verify_seconds|date)": [^,\n}]+')


@dataclass(frozen=True, slots=True)
class Killable:
    """A command, and what it comes to."""

    name: str
    """Of the verb."""
    command: tuple[str, ...]
    """As it is typed, and typed again."""
    result: Callable[[Path], dict[str, str]]
    """Digests of what it comes to."""
    prepare: Callable[[Path], object] = lambda folder: None
    """What must be there before."""
    again: tuple[str, ...] = ()
    """What is typed after a kill, once there is something to go on with."""
    begun: str = ""
    """The file that says so."""
    environment: dict[str, str] = field(default_factory=dict)
    """What the command is told besides."""
    imports: tuple[str, ...] = HEAVY
    """What it imports."""
    first: str = ""
    """``module:function``: what its process calls first."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A command that was left alone."""

    result: dict[str, str]
    """Digests of what it came to."""
    names: set[str]
    """All that lay in its folder then."""
    seconds: float
    """Its life."""


@dataclass(frozen=True, slots=True)
class End:
    """What came of a command that was killed and typed again."""

    result: dict[str, str]
    hit: int
    """Kills that met it alive."""
    left: list[str]
    """What lies about that an undisturbed one does not leave."""


def files(*patterns: str) -> Callable[[Path], dict[str, str]]:
    """The digests of all files of these patterns."""

    def result(folder: Path) -> dict[str, str]:
        found = sorted(path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
        assert found, f"no result: {patterns}"
        return {str(path.relative_to(folder)): _digest(path) for path in found}

    return result


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if path.name == "loss.csv":
        content = b"\n".join(line.rpartition(b",")[0] for line in content.splitlines())  # without seconds
    elif path.suffix == ".jsonl":  # answers may come in another order
        content = b"\n".join(sorted(content.splitlines()))
    elif path.suffix == ".json":
        content = _TIMES.sub("", content.decode()).encode()
    return hashlib.sha256(content).hexdigest()


def _trained(folder: Path) -> None:
    """A finished run, the same each time."""
    import torch

    torch.manual_seed(0)
    trained_run.make_run(folder / "artifacts", STAMP, 1, RECIPE[-1:])


PREPARE = Killable("prepare", ("prepare", *DATA), files("data/processed/*/*.parquet", "data/*/*/ledger.json"))
TRAIN = Killable(
    "train", ("train", *RECIPE, f"run_dir={TRAINED}"),
    files(f"{TRAINED}/adapter/*.safetensors", f"{TRAINED}/loss.csv"),
    again=("train", f"resume={TRAINED}"), begun=f"{TRAINED}/config.yaml",
)  # fmt: skip
MERGE = Killable(
    "merge", ("merge", "run=latest", "merging.rounding=nearest", "max_shard_gb=3e-4"),
    files("artifacts/runs/*/*/merged/*", "artifacts/runs/*/*/summary.json"),
    _trained,
)  # fmt: skip
EVALUATE = Killable(
    "evaluate", ("evaluate", "run=latest", "suite=heldout", "suite.heldout.limit=4",
    "suite.heldout.max_new_tokens=8", "batch_tokens=256"),
    files("artifacts/runs/*/*/evaluation/heldout*"),
    _trained,
)  # fmt: skip
SWEEP = Killable(
    "sweep", ("train", "-m", *RECIPE, "seed=1,2", f"hydra.sweep.dir={SWEPT}"),
    files(f"{SWEPT}/*/adapter/*.safetensors", f"{SWEPT}/*/loss.csv", f"{SWEPT}/index.json"),
    again=("train", "-m", f"sweep.resume={SWEPT}"), begun=f"{SWEPT}/index.json",
)  # fmt: skip


def upload(hub: Hub) -> Killable:
    """An upload to a hub on this machine."""
    hub.store.writers[WRITE_TOKEN] = "ward"

    def prepare(folder: Path) -> None:
        hub.store.repos.clear()
        hub.store.objects.clear()
        run_folder.make_run(folder / "artifacts")

    def result(folder: Path) -> dict[str, str]:
        repo = hub.store.repos["model", "ward/net"]
        assert len(repo.commits) == 2, "the repository's first commit, and one with everything"
        arrived = {name: hashlib.sha256(content).hexdigest() for name, content in repo.head.files.items()}
        return {**arrived, **files("artifacts/upload/ward--net/**/*")(folder)}

    told = {"HF_ENDPOINT": hub.url, "HF_TOKEN": WRITE_TOKEN, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    words = ("upload", "repo=ward/net", "what=both", "together=true")
    return Killable("upload", words, result, prepare, environment=told, imports=("medft.verbs.upload",))


LOCAL = (PREPARE, TRAIN, MERGE, EVALUATE, SWEEP)
QUICK = (
    PREPARE, TRAIN, replace(MERGE, first="tests.faults.kills:judge_here"), EVALUATE,
    replace(SWEEP, first="tests.faults.kills:stand_in_for_trainings",
            result=files(f"{SWEPT}/*/summary.json", f"{SWEPT}/index.json")),
)  # fmt: skip
"""Without the seconds that further processes take to import torch: merged weights are judged in the process
that wrote them, and the jobs of a sweep are stand-ins."""
NAMES = (*(kind.name for kind in LOCAL), "upload")


def judge_here() -> None:
    """Judge merged weights in this process."""
    from medft.merge import merge, verify

    merge.verify = verify.examine


def stand_in_for_trainings() -> None:
    """Let sweeps run stand-ins, of a quarter of a second each."""
    from medft.sweep import job
    from tests.support import stand_in

    job._command = stand_in.command
    job._POLL = 0.05
    os.environ[stand_in.SECONDS] = "0.25"


@contextlib.contextmanager
def opened(
    name: str, folder: Path, kinds: Sequence[Killable] = LOCAL, forks: Forks | None = None
) -> Iterator[Trial]:
    """Commands of one kind, ready to be killed in ``folder``; ``forks`` start those of ``kinds``."""
    folder.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        kind = next((kind for kind in kinds if kind.name == name), None)
        if kind is None:
            kind, forks = upload(stack.enter_context(running_hub())), None
        yield Trial(kind, folder, forks or stack.enter_context(Forks(kind.environment, kind.imports)))


@dataclass(frozen=True, slots=True)
class Trial:
    """One kind of command in a folder of its own."""

    kind: Killable
    folder: Path
    forks: Forks

    def whole(self) -> Whole:
        """The command when it is left alone."""
        self._fresh()
        began = time.monotonic()
        self._finish()
        seconds = time.monotonic() - began
        return Whole(self.kind.result(self.folder), self._names(), seconds)

    def killed(self, moments: Sequence[float], whole: Whole, *, alone: bool) -> End:
        """The result after kills at these moments, each of the same command again, and then left alone.

        Args:
            moments: seconds after its beginning.
            whole: what it leaves undisturbed.
            alone: whether the processes that it started live on, as when memory ran out; else all die, as
                when the power fails.
        """
        self._fresh()
        hit = 0
        for moment in moments:
            child = self._start()
            time.sleep(moment)
            hit += self._kill(child, alone)
            if self._finished():
                break
        return End(self.again(), hit, self.left(whole))

    def limited(
        self, limits: Mapping[str, int], before: Callable[[], object] = lambda: None
    ) -> tuple[int, str]:
        """The command where these resources are limited, and after ``before``: its exit code, and what it
        said."""
        self._fresh()
        before()
        child = self._start(limits)
        return self.forks.end_of(child), self._said.read_text(encoding="utf-8", errors="replace")

    def again(self) -> dict[str, str]:
        """The result once the command has been typed again and left alone."""
        if not self._finished():
            self._finish()
        return self.kind.result(self.folder)

    def left(self, whole: Whole) -> list[str]:
        """What lies about that the undisturbed command does not leave: halves, temporary files, folders."""
        return sorted(self._names() - whole.names)

    def _names(self) -> set[str]:
        """All that lies in the folder but for caches, numbers and digests aside, and which folders are
        empty."""
        kept = [path for path in self.folder.iterdir() if path.name != "cache"]
        found = (path for top in kept for path in (top, *top.rglob("*")) if "tiny" not in path.parts)
        return {
            re.sub(r"[0-9a-f]{8,}|\d+", "#", str(path.relative_to(self.folder)))
            + "/ (empty)" * _is_empty(path)
            for path in found
        }

    def _fresh(self) -> None:
        self._said.unlink(missing_ok=True)
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in ("artifacts", "tmp"):
            (self.folder / name).mkdir()
        trained_run.share_twins(self.folder / "artifacts" / "tiny")
        self.kind.prepare(self.folder)

    @property
    def _said(self) -> Path:
        """Beside the folder, which may be full."""
        return self.folder.with_name(f"{self.folder.name}.log")

    def _start(self, limits: Mapping[str, int] | None = None) -> int:
        return self.forks.start(Order(self._command(), self.folder, self._said, self.kind.first), limits)

    def _command(self) -> tuple[str, ...]:
        kind = self.kind
        return kind.again if kind.begun and (self.folder / kind.begun).is_file() else kind.command

    def _finished(self) -> bool:
        """Whether a training had already written all: then it is no longer to be resumed."""
        return bool(self.kind.begun) and (self.folder / self.kind.begun).with_name("summary.json").is_file()

    def _finish(self) -> None:
        command = self._command()
        code = self.forks.end_of(self._start())
        said = self._said.read_text(encoding="utf-8", errors="replace")
        assert code == 0, f"{command} ended with {code}: {said[-2000:]}"

    def _kill(self, child: int, alone: bool) -> bool:
        """Kill it; then wait until whatever it had started has ended."""
        begin = _at_work(self.folder)
        for process in [child] if alone else begin:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        hit = self.forks.end_of(child) == -signal.SIGKILL
        end = time.monotonic() + 120
        while _at_work(self.folder):
            assert time.monotonic() < end, "what it had started does not end"
            time.sleep(0.01)
        return hit


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def _at_work(folder: Path) -> list[int]:
    """The processes that run in ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink() == folder:
                    found.append(int(entry.name))
    return found


def moments(seconds: float, count: int, seed: int) -> Iterator[float]:
    """Random moments of a command's life without an end, in any order: of each ``count`` one in each of as
    many equal parts of it."""
    draw = random.Random(seed)
    while True:
        parts = list(range(count))
        draw.shuffle(parts)
        yield from (seconds * (part + draw.random()) / count for part in parts)
