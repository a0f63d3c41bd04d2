"""A CUDA device that is not there: what ``torch.cuda`` says of it, and tensors meant for it kept on the CPU.

``torch.cuda.is_available()`` stays False on purpose: with it True, Unsloth would try to repair the machine's
CUDA links. Part of ``unsloth_on_cpu``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

MEMORY_BYTES = 16 * 2**30

_PROPERTIES = SimpleNamespace(
    name="CPU in the place of a GPU",
    total_memory=MEMORY_BYTES,
    multi_processor_count=2,
    warp_size=32,
    is_integrated=0,
    gcnArchName="",
    regs_per_multiprocessor=65536,
    shared_memory_per_block_optin=101376,
    shared_memory_per_multiprocessor=167936,
    max_threads_per_multi_processor=2048,
)
_ANSWERS = {
    "is_initialized": True,
    "is_current_stream_capturing": False,
    "current_device": 0,
    "device_count": 1,
    "get_device_properties": _PROPERTIES,
    "get_device_name": _PROPERTIES.name,
    "get_rng_state_all": [],
    "mem_get_info": (MEMORY_BYTES, MEMORY_BYTES),
    **dict.fromkeys(("memory_allocated", "memory_reserved"), 0),
    **dict.fromkeys(("max_memory_allocated", "max_memory_reserved"), 0),
    **dict.fromkeys(("_lazy_init", "synchronize", "empty_cache", "ipc_collect", "reset_peak_memory_stats")),
    **dict.fromkeys(("set_device", "manual_seed", "manual_seed_all", "set_rng_state_all")),
}


class _Device(contextlib.nullcontext[None]):
    """``torch.cuda.device(i)``."""

    def __init__(self, _: Any = 0) -> None:
        super().__init__()
        self.idx = 0


class _Stream:
    """``torch.cuda.Stream`` and ``Event``: every operation has already happened."""

    cuda_stream = 0

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


def answer_look_ups(capability: tuple[int, int]) -> None:
    """Let ``torch.cuda`` speak as on a machine with one device of that compute capability."""
    import torch

    cuda: Any = torch.cuda
    _PROPERTIES.major, _PROPERTIES.minor = capability
    cuda.get_device_capability = _constant(capability)
    cuda.get_arch_list = _constant(["sm_{}{}".format(*capability)])
    for name, value in _ANSWERS.items():
        setattr(cuda, name, _constant(value))
    cuda.device, cuda.Stream, cuda.Event = _Device, _Stream, type("Event", (_Stream,), {})
    cuda.current_stream = cuda.default_stream = lambda *_, **__: _Stream()
    cuda.stream = lambda *_, **__: contextlib.nullcontext()
    torch._C._cuda_getCurrentRawStream = lambda _: 0


def _constant(value: Any) -> Callable[..., Any]:
    # A new function each time: torch._dynamo keys its rules by function object.
    return lambda *_, **__: value


def redirect_to_cpu() -> None:
    """From now on, in this thread and in those started from now on, a tensor meant for a CUDA device is made
    on, or stays on, the CPU."""
    import threading

    import torch
    from torch.overrides import TorchFunctionMode

    class OnCpu(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            kwargs = dict(kwargs or {})
            name = getattr(func, "__name__", "")
            if name in ("cuda", "pin_memory"):
                return args[0]
            if "device" in kwargs:
                kwargs["device"] = "cpu" if _is_index(kwargs["device"]) else _on_cpu(kwargs["device"])
            if kwargs.get("pin_memory"):
                kwargs["pin_memory"] = False
            args = tuple(_on_cpu(arg) for arg in args)
            if name == "to":
                args = args[:1] + tuple("cpu" if _is_index(arg) else arg for arg in args[1:])
            return func(*args, **kwargs)

    def _on_cpu(value: Any) -> Any:
        if isinstance(value, str) and value.startswith("cuda"):
            return "cpu"
        if isinstance(value, torch.device) and value.type == "cuda":
            return torch.device("cpu")
        return value

    mode = OnCpu()
    mode.__enter__()
    globals()["_mode"] = mode  # a mode ends when it is collected
    run = threading.Thread.run

    def redirected(thread: threading.Thread) -> None:
        with OnCpu():
            run(thread)

    threading.Thread.run = redirected  # type: ignore[method-assign]


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
