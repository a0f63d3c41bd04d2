"""What reaches W&B, read back from the offline file; and that W&B never stands in a training's way."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medft.training.config import LoggerConfig
from medft.training.losslog import LossRow
from medft.training.wandb_log import Labels, WandbRun, mode, shareable
from tests.support.wandb_file import config, records, rows

VALUES = {
    "model": {"name": "mistral"},
    "dataset": {"name": "csv", "path": "/home/ward/patients.csv"},
    "run_dir": "/home/ward/run",
    "overrides": ["dataset.path=/home/ward/patients.csv"],
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))


@pytest.fixture(scope="module", autouse=True)
def service() -> Iterator[None]:
    yield
    import wandb

    wandb.teardown()


def begin(folder: Path, said: list[str], run_id: str | None = None) -> WandbRun:
    return WandbRun(
        LoggerConfig(wandb="offline", tags=("mine",)),
        folder,
        Labels("mistral-tiny-csv-medical_qa/20261120-101500", ("mistral", "csv"), group="20261120-100000"),
        values=VALUES,
        run_id=run_id,
        memory=lambda: 1_500_000,
        notice=said.append,
    )


def line(step: int, split: Any = "train") -> LossRow:
    return LossRow(step, step / 10, split, 3.0 - step / 10, 1.5, 2e-4, 0.5, 100 * step, 0.5 * step)


def curve(folder: Path) -> Path:
    """One black pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    path = folder / "loss.png"
    pixels = chunk(b"IDAT", zlib.compress(b"\0\0"))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b""))
    return path


def files(folder: Path, count: int) -> list[Path]:
    """The offline files of ended runs, oldest first; the service writes on after ``finish`` has returned."""
    for _ in range(100):
        found = sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime)
        if len(found) == count and all(any(r.HasField("exit") for r in records(file)) for file in found):
            return found
        time.sleep(0.1)
    raise AssertionError(f"no {count} ended runs in {folder}")


def test_an_offline_run_and_its_resumption_as_they_are_on_disk(tmp_path: Path) -> None:
    said: list[str] = []
    run = begin(tmp_path, said)
    for step in (1, 2):
        run.row(line(step))
    run.row(line(2, "validation"))
    run.stop()
    resumed = begin(tmp_path, said, run_id=run.id)
    resumed.row(line(3))
    resumed.finish({"steps": 3, "sweep": "/home/ward/sweep"}, {"totals": {"rows_in": 9}}, curve(tmp_path))
    assert said == []

    first, second = files(tmp_path, 2)
    (started,) = (record.run for record in records(first) if record.HasField("run"))
    (again,) = (record.run for record in records(second) if record.HasField("run"))
    assert started.run_id == again.run_id == run.id
    assert again.resume
    assert started.display_name == "mistral-tiny-csv-medical_qa/20261120-101500"
    assert started.run_group == "20261120-100000"
    assert list(started.tags) == ["mistral", "csv", "mine"]
    assert config(first)["model"] == {"name": "mistral"}
    assert config(first)["dataset"] == {"name": "csv"}
    assert config(second)["ledger"] == {"totals": {"rows_in": 9}}

    logged = rows(first)
    assert [row["_step"] for row in logged] == [1, 2]
    assert [row["_step"] for row in rows(second)] == [3]
    assert logged[1]["train/loss"] == pytest.approx(2.8)
    assert logged[1]["train/tokens_per_second"] == pytest.approx(200)
    expected = {
        "train/bits_per_byte", "train/learning_rate", "train/grad_norm", "train/tokens", "train/seconds",
        "train/epoch", "validation/loss", "validation/bits_per_byte", "peak_memory_bytes",
    }  # fmt: skip
    assert expected <= logged[1].keys()
    assert rows(second)[-1]["loss_curve._type"] == "image-file"
    assert list(second.parent.glob("files/media/images/loss_curve*.png"))


def test_nothing_of_the_machine_is_in_the_file(tmp_path: Path) -> None:
    import socket

    run = begin(tmp_path, [])
    run.row(line(1))
    run.finish({"steps": 1}, {}, None)
    (file,) = files(tmp_path, 1)
    kinds = {record.WhichOneof("record_type") for record in records(file)}
    assert not kinds & {"output", "output_raw", "stats", "environment", "files"}, kinds
    (started,) = (record.run for record in records(file) if record.HasField("run"))
    assert not started.host and not started.HasField("git")
    text = file.read_bytes()
    for private in (str(Path.cwd()), sys.executable, "/home/ward", "pytest"):
        assert private.encode() not in text, private
    assert socket.gethostname().encode() not in started.SerializeToString()


def test_a_failure_in_the_middle_is_said_once_and_ends_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    run = begin(tmp_path, said)

    def broken(*args: Any, **kwargs: Any) -> None:
        raise OSError("no space left on device")

    inner = run._run
    log, inner.log = inner.log, broken
    for step in range(1, 4):
        run.row(line(step))
    run.finish({}, {}, None)
    assert said == ["W&B failed (OSError); training continues, loss.csv is complete"]
    inner.log = log
    inner.finish()


SCRIPT = """
import sys, time, psutil
from pathlib import Path
from medft.training import wandb_log
from tests.training.test_wandb_log import begin, line
wandb_log._CONNECT = 2.0
said = []
"""
KILLED = """
run = begin(Path(sys.argv[1]), said)
run.row(line(1))
for child in psutil.Process().children(recursive=True):
    child.kill()
time.sleep(0.5)
for step in range(2, 5):
    run.row(line(step))
run.finish({}, {}, None)
print(said)
"""
UNREACHABLE = """
from medft.training.config import LoggerConfig
run = wandb_log.WandbRun(LoggerConfig(), Path(sys.argv[1]), wandb_log.Labels("n"), values={},
                         run_id=None, memory=lambda: 1, notice=said.append)
run.row(line(1))
run.finish({}, {}, None)
print(run.mode, said)
"""


def alone(code: str, folder: Path, **environment: str) -> str:
    """Run ``code`` in a process of its own: W&B's service is one for all runs of a process."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + code, str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_death_of_its_service_ends_nothing(tmp_path: Path) -> None:
    assert "training continues" in alone(KILLED, tmp_path)


def test_an_unreachable_server_is_said_and_the_run_kept_for_later(tmp_path: Path) -> None:
    began = time.monotonic()
    out = alone(UNREACHABLE, tmp_path, WANDB_API_KEY="0" * 40, WANDB_BASE_URL="http://127.0.0.1:9")
    assert out.startswith("offline ['W&B cannot be reached"), out
    assert "wandb sync" in out
    (file,) = files(tmp_path, 1)
    assert [row["_step"] for row in rows(file)] == [1]
    assert time.monotonic() - began < 40


@pytest.mark.parametrize(
    ("wanted", "environment", "expected"),
    [
        ("auto", {}, "offline"),
        ("auto", {"WANDB_API_KEY": "k"}, "online"),
        ("auto", {"WANDB_API_KEY": "k", "WANDB_MODE": "offline"}, "offline"),
        ("auto", {"WANDB_MODE": "disabled"}, "off"),
        ("off", {"WANDB_API_KEY": "k"}, "off"),
        ("offline", {"WANDB_API_KEY": "k"}, "offline"),
    ],
)
def test_the_mode_follows_the_key(
    wanted: Any, environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert mode(LoggerConfig(wandb=wanted)) == expected


def test_off_starts_nothing(tmp_path: Path) -> None:
    run = WandbRun(
        LoggerConfig(wandb="off"), tmp_path, Labels("n"), values={}, run_id=None,
        memory=lambda: 1, notice=pytest.fail,
    )  # fmt: skip
    run.row(line(1))
    run.finish({}, {}, None)
    assert run.id is None
    assert not list(tmp_path.iterdir())


def test_places_are_left_out_at_every_depth() -> None:
    nested = {"dataset": {"sources": {"a": {"path": "/home/x", "name": "a"}}}, "seed": 1}
    assert shareable(nested) == {"dataset": {"sources": {"a": {"name": "a"}}}, "seed": 1}
