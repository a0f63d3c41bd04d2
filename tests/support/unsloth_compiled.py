"""Unsloth's Triton kernels, compiled for cards that are not there, at the sizes of the real models.

Needs a process in which Triton does not interpret. Nothing is launched: what is seen is that it compiles
to machine code of the card, within its shared memory.
"""

from __future__ import annotations

from typing import Any

SHARED_MEMORY = {75: 64 * 1024, 80: 163 * 1024, 89: 99 * 1024, 90: 227 * 1024, 120: 99 * 1024}
"""Bytes that a block of threads may have, by compute capability (CUDA C++ Programming Guide, technical
specifications): T4; A100; L4 and RTX 4090; H100 and H200; RTX 5090."""

FULL_SIZES: dict[str, dict[str, Any]] = {
    "mistral, llama3_1": {"hidden": 4096, "inner": 14336, "heads": (32, 8), "head_dim": 128},
    "gemma": {"hidden": 3072, "inner": 24576, "heads": (16, 16), "head_dim": 256},
    "smollm2": {"hidden": 576, "inner": 1536, "heads": (9, 3), "head_dim": 64},
}
VOCABULARIES = (32_000, 128_256, 256_000)


class _Card:
    """A driver of Triton whose one device compiles and never runs."""

    def __init__(self, number: int) -> None:
        self._number = number

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", self._number, 32)

    def get_current_device(self) -> int:
        return self._number  # Triton keeps what it compiles by device

    def get_current_stream(self, _: int) -> int:
        return 0


def pretend(card: int) -> None:
    """Let Triton find a card of that compute capability."""
    from triton.runtime import driver

    driver.set_active(_Card(card))  # type: ignore[arg-type]


def compiled() -> list[dict[str, Any]]:
    """Every kernel that training reaches, for every card and size: its name, bytes of machine code and of
    shared memory, threads of a block."""
    from triton.runtime.jit import JITFunction

    found: list[dict[str, Any]] = []
    run = JITFunction.run
    now: dict[str, Any] = {}

    def compile_alone(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> None:
        kernel = run(self, *args, grid=grid, warmup=True, **kwargs)
        data = kernel.metadata
        found.append({
            **now, "kernel": self.__name__, "binary": len(kernel.asm["cubin"]), "shared": data.shared,
            "threads": 32 * data.num_warps,
        })  # fmt: skip

    JITFunction.run = compile_alone  # type: ignore[assignment,method-assign]
    try:
        for card in SHARED_MEMORY:
            pretend(card)
            for of in FULL_SIZES:
                now = {"card": card, "of": of}
                _reach(of, card)
    finally:
        JITFunction.run = run  # type: ignore[method-assign]
    return found


def _reach(of: str, card: int) -> None:
    """Call what launches the kernels; what they would have computed is left as it was."""
    import torch
    import unsloth.kernels.geglu
    from triton.language.extra import libdevice
    from unsloth.kernels.cross_entropy_loss import fast_cross_entropy_loss

    from tests.support import unsloth_kernels

    dtype = torch.float16 if card < 80 else torch.bfloat16
    unsloth_kernels.use("triton")
    unsloth.kernels.geglu.triton_tanh = libdevice.tanh  # that of the interpreter is not the card's
    for call in unsloth_kernels.calls(unsloth_kernels.Sizes(**FULL_SIZES[of], dtype=dtype)).values():
        call()
    for vocabulary in VOCABULARIES if of == "gemma" else ():
        logits = torch.zeros(1, 2, vocabulary, dtype=dtype, requires_grad=True)
        fast_cross_entropy_loss(logits * 1, torch.zeros(1, 2, dtype=torch.long)).backward()
    unsloth_kernels.use("torch")
