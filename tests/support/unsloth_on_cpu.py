"""Run Unsloth's real CUDA code path on a machine without a GPU. Test support only, never shipped.

``with on_cpu(): import unsloth`` (or medft's ``engine.activate()``) and afterwards Unsloth's normal API, and
medft's own unsloth engine, work on CPU tensors. What is replaced is only what needs the device:

* the answers of ``torch.cuda`` (``unsloth_cuda``),
* the kernels of xformers' attention (``unsloth_attention``),
* the launches of Triton kernels: they run line by line in Triton's interpreter, or, some 30 times faster, as
  the same mathematics in torch (``unsloth_kernels.use`` switches between the two),
* six handles of bitsandbytes' CUDA library, without which Unsloth would load 16-bit weights instead of 4-bit.

Loading, patching, LoRA, gradient checkpointing, the rewritten trainer and saving stay Unsloth's own.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from typing import Any

from tests.support import unsloth_attention, unsloth_cuda, unsloth_kernels

# Looked up in bitsandbytes' CUDA library when Unsloth is imported.
_BITSANDBYTES_HANDLES = (
    "cdequantize_blockwise_fp32",
    "cdequantize_blockwise_fp16_nf4",
    "cdequantize_blockwise_bf16_nf4",
    "cdequantize_blockwise_fp32_nf4",
    "cgemm_4bit_inference_naive_fp16",
    "cgemm_4bit_inference_naive_bf16",
)


BFLOAT16_SINCE = (8, 0)


@contextlib.contextmanager
def on_cpu(
    capability: tuple[int, int] = BFLOAT16_SINCE, interpreted: bool = True, xformers: bool = False
) -> Iterator[None]:
    """Unsloth is imported in the block, once per process, and then works on the CPU with torch kernels.

    Args:
        capability: of the card in whose place it is.
        interpreted: whether Triton kernels can be run, line by line; else they can be compiled.
        xformers: whether attention takes xformers' branch, as on every card; else torch's.
    """
    assert "unsloth" not in sys.modules, "unsloth has been imported already"
    os.environ |= {
        "UNSLOTH_ALLOW_CPU": "1",
        "UNSLOTH_COMPILE_DISABLE": "1",
        "UNSLOTH_DISABLE_STATISTICS": "1",
        "TORCHDYNAMO_DISABLE": "1",
        "HF_DEACTIVATE_ASYNC_LOAD": "1",  # the redirection to the CPU holds in this thread only
        "ACCELERATE_USE_CPU": "1",
        "TRITON_INTERPRET": str(int(interpreted)),
    }
    if xformers:
        unsloth_attention.stand_in(capability)
    else:
        sys.modules.setdefault("xformers", None)  # type: ignore[arg-type]
    unsloth_cuda.answer_look_ups(capability)
    unsloth_cuda.redirect_to_cpu()
    _stand_in_for_bitsandbytes()
    yield
    os.environ["UNSLOTH_ALLOW_CPU"] = "0"
    if capability >= BFLOAT16_SINCE:
        _claim_bfloat16()
    _patch_trl_as_on_a_gpu()
    unsloth_kernels.use("torch")
    gc.freeze()  # Unsloth collects garbage a dozen times a load; what is imported by now never is any


class _Handle:
    """Looks like a ctypes function; a call means that a CUDA kernel was not replaced."""

    restype = None

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *_: Any) -> None:
        raise RuntimeError(f"no CUDA kernel on this machine: {self.name}")


def _stand_in_for_bitsandbytes() -> None:
    import bitsandbytes.functional

    for name in _BITSANDBYTES_HANDLES:
        setattr(bitsandbytes.functional.lib, name, _Handle(name))


def _claim_bfloat16() -> None:
    """What such a device says. Unsloth assumed none when it was imported without one."""
    import torch
    from unsloth.models import _utils

    torch.cuda.is_bf16_supported = lambda *_, **__: True  # type: ignore[assignment]
    _utils.SUPPORTS_BFLOAT16 = True


def _patch_trl_as_on_a_gpu() -> None:
    """The rewriting of SFTTrainer, which ``UNSLOTH_ALLOW_CPU=1`` makes the import skip."""
    from unsloth.context_parallel import patch_sft_trainer
    from unsloth.models import rl
    from unsloth.models.llama import FastLlamaModel
    from unsloth.trainer import _patch_trl_trainer

    rl.PatchRL(FastLlamaModel)
    rl.patch_trl_disable_gradient_checkpointing()
    rl._patch_trl_rl_trainers("sft_trainer")
    _patch_trl_trainer()
    patch_sft_trainer()
