"""The probe, against drivers that answer as those of recorded machines do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from medft import machine
from medft.machine import Gpu, Machine
from tests.support.drivers import MACHINES

CONTEXT = 500_000_000
FOUND = {
    "t4": (Gpu("Tesla T4", 15_828_320_256, 15_640_000_000 - CONTEXT, (7, 5)),),
    "exclusive": (
        Gpu("NVIDIA A100-SXM4-80GB", 85_045_215_232, 84_400_000_000 - CONTEXT, (8, 0), "exclusive"),
        Gpu("NVIDIA A100-SXM4-80GB", 85_045_215_232, 83_900_000_000 - CONTEXT, (8, 0), "exclusive"),
    ),
    "prohibited": (
        Gpu("Tesla V100-PCIE-16GB", 16_945_512_448, 16_600_000_000 - CONTEXT, (7, 0), "prohibited"),
    ),
    "mig": (Gpu("NVIDIA A100-SXM4-40GB MIG 3g.20gb", 20_937_965_568, 20_900_000_000 - CONTEXT, (8, 0)),),
    "mixed": (
        Gpu("NVIDIA GeForce RTX 4090", 25_386_352_640, 24_900_000_000 - CONTEXT, (8, 9)),
        Gpu("NVIDIA GeForce GTX 1080 Ti", 11_714_691_072, 11_500_000_000 - CONTEXT, (6, 1)),
    ),
    "old card first": (
        Gpu("NVIDIA GeForce GTX 1080 Ti", 11_714_691_072, 11_500_000_000 - CONTEXT, (6, 1)),
        Gpu("NVIDIA GeForce RTX 4090", 25_386_352_640, 24_900_000_000 - CONTEXT, (8, 9)),
    ),
    "old driver": (Gpu("NVIDIA A100-SXM4-80GB", 85_045_215_232, 84_400_000_000 - CONTEXT, (8, 0)),),
    "no nvml": (Gpu("Tesla T4", 15_828_320_256, None, (7, 5)),),
    "not told": (Gpu("Orin", 65_000_000_000, None, (8, 7)),),
    "40 GB": (Gpu("NVIDIA A100-SXM4-40GB", 42_505_273_344, 42_000_000_000 - CONTEXT, (8, 0)),),
    "48 GB": (Gpu("NVIDIA RTX A6000", 51_041_271_808, 50_500_000_000 - CONTEXT, (8, 6)),),
    "80 GB": (Gpu("NVIDIA A100-SXM4-80GB", 85_045_215_232, 84_400_000_000 - CONTEXT, (8, 0)),),
    "eight": (Gpu("NVIDIA H200", 150_109_880_320, 149_600_000_000 - CONTEXT, (9, 0)),) * 8,
    "no device": (),
}


@pytest.mark.parametrize("name", MACHINES)
def test_devices_as_the_libraries_list_them(name: str) -> None:
    recorded = MACHINES[name]
    assert machine._gpus(*recorded.libraries()) == FOUND[name]
    assert recorded.contexts == 0, "a context was opened on a device"
    assert recorded.open == 0, "NVML was left open"


def test_the_drivers_version() -> None:
    assert machine._driver(MACHINES["old driver"]) == (11, 4)
    assert machine._driver(None) is None


def test_no_driver_is_no_gpu() -> None:
    assert machine._gpus(None, None) == ()


def test_unknown_is_not_zero() -> None:
    (unknown,), (known,) = FOUND["no nvml"], FOUND["t4"]
    assert unknown.usable_bytes == unknown.total_bytes - CONTEXT
    assert known.usable_bytes == known.free_bytes


def test_bfloat16_needs_it_on_every_gpu_that_is_used() -> None:
    (t4,), h200 = FOUND["t4"], FOUND["eight"][0]
    assert Machine((), 2, 1, 1).supports_bfloat16
    assert Machine((h200,), 2, 1, 1).supports_bfloat16
    assert not Machine((h200, t4), 2, 1, 1).supports_bfloat16
    assert Machine((h200, t4), 2, 1, 1).used_by(1).supports_bfloat16


def test_memory_of_the_host_or_the_container(tmp_path: Path) -> None:
    assert machine._memory(tmp_path)[0] == psutil.virtual_memory().total
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("600\n")
    assert machine._memory(tmp_path)[0] == psutil.virtual_memory().total
    (tmp_path / "memory.max").write_text("1000\n")
    assert machine._memory(tmp_path) == (1000, 400)


def test_probing_needs_no_torch() -> None:
    code = (
        "import sys; from medft.machine import probe; m = probe();"
        "assert m.cpu_cores >= 1 and 0 < m.ram_available <= m.ram_total and probe() is m;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_cores_of_the_container_are_its_share_of_time(tmp_path: Path) -> None:
    here = len(os.sched_getaffinity(0))
    assert machine.usable_cores(tmp_path) == here
    shares = {"max 100000": here, "100000 100000": 1, "20000 100000": 1, "9900000 100000": here}
    for text, expected in shares.items():
        (tmp_path / "cpu.max").write_text(text)
        assert machine.usable_cores(tmp_path) == expected
