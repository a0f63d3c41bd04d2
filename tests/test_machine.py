"""The probe, against a driver that answers as the CUDA driver API does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from medft import machine
from medft.machine import Gpu, Machine


class Driver:
    """libcuda with two devices: a T4 in use by another process, and an H200."""

    names = (b"Tesla T4", b"NVIDIA H200")
    totals = (16_000_000_000, 150_000_000_000)
    capabilities = ((7, 5), (9, 0))

    def __init__(self, init: int = 0) -> None:
        self.init, self.contexts = init, []  # type: ignore[var-annotated]

    def cuInit(self, _: int) -> int:  # noqa: N802
        return self.init

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self.names)
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name: Any, _: int, device: Any) -> int:  # noqa: N802
        name.value = self.names[device.value]
        return 0

    def cuDeviceTotalMem_v2(self, total: Any, device: Any) -> int:  # noqa: N802
        total._obj.value = self.totals[device.value]
        return 0

    def cuDeviceGetAttribute(self, value: Any, which: int, device: Any) -> int:  # noqa: N802
        value._obj.value = self.capabilities[device.value][{75: 0, 76: 1}[which]]
        return 0

    def cuDevicePrimaryCtxRetain(self, _: Any, device: Any) -> int:  # noqa: N802
        if device.value == 0:
            return 101  # exclusive to another process
        self.contexts.append(device.value)
        return 0

    def cuCtxPushCurrent_v2(self, _: Any) -> int:  # noqa: N802
        return 0

    def cuMemGetInfo_v2(self, free: Any, _: Any) -> int:  # noqa: N802
        free._obj.value = self.totals[self.contexts[-1]] - 5
        return 0

    def cuCtxPopCurrent_v2(self, _: Any) -> int:  # noqa: N802
        return 0

    def cuDevicePrimaryCtxRelease_v2(self, device: Any) -> int:  # noqa: N802
        self.contexts.remove(device.value)
        return 0


def test_devices_as_the_driver_lists_them() -> None:
    driver = Driver()
    assert machine._gpus(driver) == (
        Gpu("Tesla T4", 16_000_000_000, 0, (7, 5)),
        Gpu("NVIDIA H200", 150_000_000_000, 149_999_999_995, (9, 0)),
    )
    assert driver.contexts == [], "a context was left behind"


@pytest.mark.parametrize("driver", [None, Driver(init=100)])
def test_no_driver_or_no_device_is_no_gpu(driver: Any) -> None:
    assert machine._gpus(driver) == ()


def test_bfloat16_needs_it_on_every_gpu() -> None:
    t4, h200 = machine._gpus(Driver())
    assert Machine((), 2, 1, 1).supports_bfloat16
    assert Machine((h200,), 2, 1, 1).supports_bfloat16
    assert not Machine((t4, h200), 2, 1, 1).supports_bfloat16


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
    assert machine._cores(tmp_path) == here
    shares = {"max 100000": here, "100000 100000": 1, "20000 100000": 1, "9900000 100000": here}
    for text, expected in shares.items():
        (tmp_path / "cpu.max").write_text(text)
        assert machine._cores(tmp_path) == expected
