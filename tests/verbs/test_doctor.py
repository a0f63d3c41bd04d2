"""medft doctor: on this machine, which has no GPU, and on recorded ones that are not quite right."""

from __future__ import annotations

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from medft.cli import main
from medft.machine import Machine, _driver, _gpus
from medft.verbs import doctor
from tests.support.drivers import MACHINES
from tests.support.process import ROOT, medft

PARTS = (
    "driver",
    "torch",
    "tested",
    "compile",
    "triton",
    "4 bits",
    "attends",
    "disk",
    "shm",
    "hub",
    "token",
    "wandb",
)


def lines(out: str) -> dict[str, str]:
    return {line[2:9].strip(): line[10:] for line in out.splitlines()}


def test_what_libraries_say_is_not_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def noisy() -> doctor.Finding:
        os.write(2, b"Failed to load gemm\n")
        return doctor.Finding("computes")

    monkeypatch.setattr(doctor, "_bitsandbytes", noisy)
    main(["doctor", f"artifacts={tmp_path}"])
    said = "".join(capfd.readouterr())
    assert "computes" in said and "Failed to load" not in said


def test_a_processor_alone_is_told_what_a_gpu_would_take(tmp_path: Path) -> None:
    done = medft("doctor", cwd=tmp_path, CUDA_VISIBLE_DEVICES="")
    said = lines(done.stdout)
    assert tuple(said) == PARTS and done.returncode == 0, done.stdout + done.stderr
    assert said["driver"].startswith("no CUDA GPU") and "fix: a machine with an NVIDIA GPU" in said["driver"]
    assert said["triton"] == "not tried: it needs a GPU"
    assert said["4 bits"] == "bitsandbytes computes on cpu"
    assert said["hub"] == "turned off (HF_HUB_OFFLINE)"
    assert list(tmp_path.iterdir()) == [], "it left something behind"


@pytest.mark.parametrize(
    ("name", "part", "told"),
    [
        ("old driver", "torch", "and the driver supports at most 11.4"),
        ("prohibited", "driver", "fix: sudo nvidia-smi -c 0"),
        ("no nvml", "driver", "Tesla T4, unknown of 15.8 GB free"),
        ("t4", "triton", ""),
        ("t4", "4 bits", ""),
        ("t4", "compile", "fix: apt install gcc python3-dev"),
    ],
)
def test_what_is_wrong_is_told_and_never_raised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, part: str,
    told: str,
) -> None:  # fmt: skip
    import torch

    recorded = MACHINES[name]
    there = Machine(_gpus(*recorded.libraries()), 8, 2**36, 2**35, _driver(recorded))
    monkeypatch.setattr(doctor, "probe", lambda: there)
    monkeypatch.setattr(doctor.toolchain, "probe", lambda: there)
    monkeypatch.setattr(doctor.toolchain, "uncompilable", lambda: "no C compiler")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["doctor", f"artifacts={tmp_path}"]) == 1
    said = lines(capsys.readouterr().out)
    assert tuple(said) == PARTS
    assert told in said[part] and "fix: " in said["torch"] and "fix: " in said["triton"]


@pytest.mark.parametrize(("port", "answers"), [("closed", False), ("open", True)])
def test_whether_the_hub_answers(monkeypatch: pytest.MonkeyPatch, port: str, answers: bool) -> None:
    from huggingface_hub import constants

    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:  # refuses every method it is asked
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        if port == "closed":
            server.shutdown()
            server.socket.close()
        monkeypatch.setattr(constants, "is_offline_mode", lambda: False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        found = doctor._hub()
        if answers:
            server.shutdown()
    assert ("HF_ENDPOINT" not in found.remedy) is answers
    assert ("does not answer" not in found.said) is answers


def test_the_kernel_computes() -> None:
    code = "from medft.engine.kernel import runs; assert runs('cpu')"
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
