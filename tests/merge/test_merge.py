"""The folder appears whole and checked, or not at all."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from medft.errors import MergeError
from medft.merge.digests import check_digests
from medft.merge.inputs import Inputs
from medft.merge.logits import Questions
from medft.merge.merge import merge
from medft.merge.verify import verify
from tests.merge.faults import STOPS
from tests.merge.small import QUESTIONS, quantise, write_merge

Bases = Callable[..., Path]
Adapters = Callable[..., Path]


def test_a_fresh_process_judges_and_only_then_the_folder_appears(
    bases: Bases, adapters: Adapters, tmp_path: Path
) -> None:
    base, out = bases("gemma"), tmp_path / "out"
    inputs = Inputs(base, adapters(base), STOPS, quantise(base, tmp_path / "nf4"))
    read: list[int] = []
    report, verdict = merge(inputs, out, QUESTIONS, advance=read.append)
    told = json.loads(json.dumps(dataclasses.asdict(verdict)))["logits"]
    assert told["split"] == "test" and 4 <= told["rows"] <= 9
    assert read == [1] * (4 * told["rows"])
    assert verdict.logits.quantised is not None
    assert verdict.logits.rounding.relative is not None and verdict.logits.quantised.relative is not None
    assert verdict.logits.rounding.relative < verdict.logits.quantised.relative
    assert (out / "model.safetensors").is_file()
    assert report.stop_ids == (2, 3)
    check_digests(out, verdict.files)
    assert set(verdict.files) == {path.name for path in out.iterdir()}


def test_weights_that_fail_never_get_the_name(bases: Bases, adapters: Adapters, tmp_path: Path) -> None:
    base = bases("mistral")
    adapter = adapters(base)
    (adapter / "chat_template.jinja").unlink()
    with pytest.raises(MergeError, match="chat template"):
        merge(Inputs(base, adapter), tmp_path / "out", QUESTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_a_disk_that_fills_up_leaves_nothing(
    bases: Bases, adapters: Adapters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    base = bases("mistral")
    adapter = adapters(base)
    monkeypatch.setattr("medft.merge.stream.sync", full)
    with pytest.raises(MergeError, match="bytes of disk"):
        merge(Inputs(base, adapter), tmp_path / "out", QUESTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


@pytest.mark.parametrize("step", ["write_shard", "write_index", "write_sidecars"])
def test_an_interrupted_merge_leaves_the_old_folder_and_nothing_else(
    bases: Bases, adapters: Adapters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    base, out = bases("mistral"), tmp_path / "out"
    adapter = adapters(base)
    write_merge(base, adapter, out)
    before = (out / "model.safetensors").stat().st_ino
    monkeypatch.setattr(f"medft.merge.stream.{step}", interrupt)
    with pytest.raises(KeyboardInterrupt):
        merge(Inputs(base, adapter), out, QUESTIONS)
    assert (out / "model.safetensors").stat().st_ino == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "out"]


OUTLIVED = """
import sys, threading
from pathlib import Path
from medft.merge.logits import Questions
from medft.merge.inputs import Inputs
from medft.merge import verify
job = [Path(word) for word in sys.argv[1:]]
threading.Timer(2, lambda: __import__("os").kill(__import__("os").getpid(), 9)).start()
verify.verify(Inputs(job[0], job[1]), job[2], Questions([([1, 5, 6] * 4, [-100, 5, 6] * 4)] * 20000))
"""


def test_a_judgement_does_not_outlive_who_asked_for_it(
    bases: Bases, adapters: Adapters, tmp_path: Path
) -> None:
    base = bases("mistral")
    adapter = adapters(base)
    write_merge(base, adapter, tmp_path / "out")
    words = [sys.executable, "-c", OUTLIVED, str(base), str(adapter), str(tmp_path / "out")]
    (rest := tmp_path / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(rest)}
    asked = subprocess.Popen(words, stderr=subprocess.DEVNULL, env=environment)
    child = None
    while child is None and asked.poll() is None:
        child = next(iter(psutil.Process(asked.pid).children()), None)
        time.sleep(0.02)
    assert child is not None and "medft.merge.verify" in child.cmdline()
    assert asked.wait() == -9
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert not any(b"5, 6" in path.read_bytes() for path in rest.rglob("*") if path.is_file()), "no ids stay"


def test_a_process_that_cannot_start_is_named(
    bases: Bases, adapters: Adapters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = bases("mistral")
    monkeypatch.setattr("sys.executable", "/bin/false")
    rows = [([1, 5, 6] * 40_000, [-100, 5, 6] * 40_000)]  # more than a pipe holds
    with pytest.raises(MergeError, match="could not be loaded: no message"):
        verify(Inputs(base, adapters(base)), tmp_path, Questions(rows))
