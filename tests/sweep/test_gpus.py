"""GPUs for one job alone."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from medft.errors import RunError
from medft.machine import Gpu, Machine
from medft.sweep import gpus
from medft.sweep.gpus import own_gpus

T4 = Gpu("Tesla T4", 15 << 30, 15 << 30, (7, 5))


def machine(monkeypatch: pytest.MonkeyPatch, count: int, visible: str | None = None) -> None:
    monkeypatch.setattr(gpus, "probe", lambda: Machine((T4,) * count, 8, 1 << 35, 1 << 34))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)


def test_two_jobs_have_a_gpu_each_and_a_third_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 2, "4,GPU-7")
    monkeypatch.setattr(gpus, "_POLL", 0.02)
    order: list[str] = []

    def third() -> None:
        with own_gpus(tmp_path, 1, lambda: False) as (environment, _):
            order.append(environment["CUDA_VISIBLE_DEVICES"])

    with own_gpus(tmp_path, 1, lambda: False) as (first, _):
        with own_gpus(tmp_path, 1, lambda: False) as (second, _):
            assert (first["CUDA_VISIBLE_DEVICES"], second["CUDA_VISIBLE_DEVICES"]) == ("4", "GPU-7")
            thread = threading.Thread(target=third)
            thread.start()
            time.sleep(0.1)
            assert order == []
        thread.join(5)
        assert order == ["GPU-7"]


def test_a_gpu_stays_taken_while_the_job_lives_without_its_starter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, 1)
    with own_gpus(tmp_path, 1, lambda: False) as (environment, held):
        assert environment == {"CUDA_VISIBLE_DEVICES": "0"}
        orphan = subprocess.Popen(["sleep", "60"], pass_fds=held)
    tries = iter([False, True])
    with own_gpus(tmp_path, 1, lambda: next(tries)) as (environment, held):
        assert (environment, held) == ({}, ())
    orphan.kill()
    orphan.wait()
    with own_gpus(tmp_path, 1, lambda: False) as (environment, _):
        assert environment == {"CUDA_VISIBLE_DEVICES": "0"}


def test_without_a_gpu_nothing_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 0)
    with own_gpus(tmp_path, 1, lambda: False) as (environment, held):
        assert (environment, held) == ({}, ())
    assert not list(tmp_path.iterdir())


def test_a_job_of_two_gpus_takes_both_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 3)
    tries = iter([False, True])
    with own_gpus(tmp_path, 2, lambda: False) as (environment, held):
        assert environment == {"CUDA_VISIBLE_DEVICES": "0,1"} and len(held) == 2
        with own_gpus(tmp_path, 2, lambda: next(tries)) as (second, _):
            assert second == {}
        with own_gpus(tmp_path, 1, lambda: False) as (third, _):  # which the second has given back
            assert third == {"CUDA_VISIBLE_DEVICES": "2"}


def test_more_gpus_than_there_are_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, 1)
    with (
        pytest.raises(RunError, match="needs 2 GPUs, but there are 1"),
        own_gpus(tmp_path, 2, lambda: False),
    ):
        pass
