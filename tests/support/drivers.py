"""CUDA drivers and NVML libraries that answer as recorded machines do, for the probe of ``medft.machine``.

The figures are those that the two libraries give on such machines; no device is needed.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

NO_DEVICE, UNKNOWN = 100, 999
DEFAULT, PROHIBITED, EXCLUSIVE = 0, 2, 3


@dataclass(frozen=True)
class Device:
    """One device as the driver and NVML describe it."""

    name: str
    total: int
    free: int | None
    """As NVML tells; None: it does not know the device."""
    capability: tuple[int, int]
    mode: int = DEFAULT
    slice: bool = False


@dataclass
class Recorded:
    """libcuda and libnvidia-ml of a machine; ``nvml`` False: the second is missing."""

    devices: tuple[Device, ...]
    driver: int = 12080
    nvml: bool = True
    init: int = 0
    contexts: int = 0
    open: int = 0

    def libraries(self) -> tuple[Any, Any]:
        """What ``ctypes.CDLL`` would give for the two names."""
        return self, self if self.nvml else None

    def load(self, name: str) -> Any:
        """In the place of ``medft.machine._library``."""
        return {"libcuda.so.1": self, "libnvidia-ml.so.1": self if self.nvml else None}[name]

    def cuInit(self, _: int) -> int:  # noqa: N802
        return self.init

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = self.driver
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self.devices)
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name: Any, _: int, device: Any) -> int:  # noqa: N802
        name.value = self.devices[device.value].name.encode()
        return 0

    def cuDeviceTotalMem_v2(self, total: Any, device: Any) -> int:  # noqa: N802
        total._obj.value = self.devices[device.value].total
        return 0

    def cuDeviceGetAttribute(self, value: Any, which: int, device: Any) -> int:  # noqa: N802
        one = self.devices[device.value]
        value._obj.value = {75: one.capability[0], 76: one.capability[1], 20: one.mode}[which]
        return 0

    def cuDeviceGetUuid_v2(self, raw: Any, device: Any) -> int:  # noqa: N802
        raw._obj[:] = _number(device.value).bytes
        return 0

    def cuDevicePrimaryCtxRetain(self, *_: Any) -> int:  # noqa: N802
        self.contexts += 1
        return 0

    def nvmlInit_v2(self) -> int:  # noqa: N802
        self.open += 1
        return 0

    def nvmlShutdown(self) -> int:  # noqa: N802
        self.open -= 1
        return 0

    def nvmlDeviceGetHandleByUUID(self, text: bytes, handle: Any) -> int:  # noqa: N802
        for index, device in enumerate(self.devices):
            name = f"{'MIG' if device.slice else 'GPU'}-{_number(index)}"
            if device.free is not None and name == text.decode():
                handle._obj.value = index + 1
                return 0
        return UNKNOWN

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:  # noqa: N802
        device = self.devices[handle.value - 1]
        memory._obj.total, memory._obj.free = device.total, device.free
        memory._obj.used = device.total - (device.free or 0)
        return 0


def _number(index: int) -> uuid.UUID:
    return uuid.UUID(int=0x7D3C_0000_0000_0000_0000_0000_0000_0000 + index)


_A100 = Device("NVIDIA A100-SXM4-80GB", 85_045_215_232, 84_400_000_000, (8, 0))
_T4 = Device("Tesla T4", 15_828_320_256, 15_640_000_000, (7, 5))
_RTX_4090 = Device("NVIDIA GeForce RTX 4090", 25_386_352_640, 24_900_000_000, (8, 9))
_GTX_1080 = Device("NVIDIA GeForce GTX 1080 Ti", 11_714_691_072, 11_500_000_000, (6, 1))
_H200 = Device("NVIDIA H200", 150_109_880_320, 149_600_000_000, (9, 0))

MACHINES = {
    "t4": Recorded((_T4,)),
    "exclusive": Recorded(
        (
            Device("NVIDIA A100-SXM4-80GB", 85_045_215_232, 84_400_000_000, (8, 0), EXCLUSIVE),
            Device("NVIDIA A100-SXM4-80GB", 85_045_215_232, 83_900_000_000, (8, 0), EXCLUSIVE),
        )
    ),
    "prohibited": Recorded(
        (Device("Tesla V100-PCIE-16GB", 16_945_512_448, 16_600_000_000, (7, 0), PROHIBITED),)
    ),
    "mig": Recorded(
        (Device("NVIDIA A100-SXM4-40GB MIG 3g.20gb", 20_937_965_568, 20_900_000_000, (8, 0), slice=True),)
    ),
    "mixed": Recorded((_RTX_4090, _GTX_1080)),
    "old card first": Recorded((_GTX_1080, _RTX_4090)),
    "old driver": Recorded((_A100,), driver=11040),
    "no nvml": Recorded((_T4,), nvml=False),
    "not told": Recorded((Device("Orin", 65_000_000_000, None, (8, 7)),)),
    "40 GB": Recorded((Device("NVIDIA A100-SXM4-40GB", 42_505_273_344, 42_000_000_000, (8, 0)),)),
    "48 GB": Recorded((Device("NVIDIA RTX A6000", 51_041_271_808, 50_500_000_000, (8, 6)),)),
    "80 GB": Recorded((_A100,)),
    "eight": Recorded((_H200,) * 8, driver=13000),
    "no device": Recorded((), init=NO_DEVICE),
}
