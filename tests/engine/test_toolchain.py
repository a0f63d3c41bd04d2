"""A driver that torch cannot use, and a Triton that cannot compile: told before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft.engine import engine, toolchain
from medft.engine.base import EngineName
from medft.errors import EngineError
from medft.machine import Machine, _driver, _gpus
from tests.support.drivers import MACHINES


def there(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    recorded = MACHINES[name]
    machine = Machine(_gpus(*recorded.libraries()), 8, 2**36, 2**35, _driver(recorded))
    monkeypatch.setattr(toolchain, "probe", lambda: machine)
    monkeypatch.setattr("medft.engine.unsloth_engine.probe", lambda: machine)


@pytest.mark.parametrize(
    ("name", "built", "why", "remedy"),
    [
        (
            "old driver",
            "12.8",
            "torch needs CUDA 12.8, and the driver supports at most 11.4",
            "update the NVIDIA driver",
        ),
        ("t4", None, "built without CUDA", "build of torch for CUDA"),
        ("prohibited", "12.8", "no process may use", "nvidia-smi -c 0"),
        ("t4", "12.8", "Found no NVIDIA driver", "--gpus all"),
    ],
)
@pytest.mark.parametrize("which", ["transformers", "unsloth"])
def test_a_gpu_that_torch_cannot_use_is_no_silent_processor(
    monkeypatch: pytest.MonkeyPatch, which: EngineName, name: str, built: str | None, why: str, remedy: str
) -> None:
    import torch

    def init() -> None:
        raise RuntimeError("Found no NVIDIA driver on your system.\nPlease check ...")

    there(monkeypatch, name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(torch.version, "cuda", built)
    with pytest.raises(EngineError, match=why) as error:
        engine(which).activate()
    assert "the driver lists" in error.value.what
    assert remedy in error.value.remedy and 'CUDA_VISIBLE_DEVICES=""' in error.value.remedy


def test_a_gpu_without_kernels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    there(monkeypatch, "mixed")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_70", "sm_90", "compute_90"])
    toolchain.demand_gpu()
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(EngineError, match=r"GTX 1080 Ti \(compute capability 6.1, its oldest is 7.0\)"):
        toolchain.demand_gpu()


def test_a_processor_alone_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    there(monkeypatch, "no device")
    assert not toolchain.probe().gpus
    toolchain.demand_gpu()  # raises nothing


@pytest.mark.parametrize(
    ("cc", "found", "headers", "lacking"),
    [
        (None, {"gcc"}, True, None),
        (None, {"clang"}, True, None),
        ("mycc", {"mycc"}, True, None),
        (None, set(), True, "no C compiler for"),
        ("mycc", {"gcc"}, True, "no C compiler called mycc"),
        (None, {"gcc"}, False, "no Python.h"),
    ],
)
def test_compiler_and_headers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cc: str | None, found: set[str], headers: bool,
    lacking: str | None,
) -> None:  # fmt: skip
    monkeypatch.delenv("CC", raising=False)
    if cc:
        monkeypatch.setenv("CC", cc)
    if headers:
        (tmp_path / "Python.h").touch()
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: name if name in found else None)
    monkeypatch.setattr(toolchain.sysconfig, "get_paths", lambda scheme: {"include": str(tmp_path)})
    said = toolchain.uncompilable()
    assert said is None if lacking is None else said is not None and said.startswith(lacking)
    there(monkeypatch, "t4")
    why_not = engine("unsloth").why_not()
    assert why_not is None if lacking is None else why_not == f"{said} ({toolchain.INSTALL})"
