"""Floating-point operations per token, and model FLOPs utilization (MFU).

Chowdhery et al. 2022, PaLM, appendix B: 6 N + 12 L H Q T floating-point operations per token, with N the
weights that multiply, L layers, H heads of width Q, and T tokens attended to; recomputation does not count.
Of the 6 N, 2 are the forward pass, 2 the gradient of activations, 2 the gradient of weights; LoRA leaves out
the last on the frozen base: 4 N + 6 n with n the adapter's weights.
"""

from __future__ import annotations

import re

from medft.models.registry import Dtype, ShapeConfig, parameters

# Dense 16-bit tensor-core rates with sums in 32 bits, in TFLOPS, by whole words of the driver's name; the
# first wins. From NVIDIA's data sheets (a rate "with sparsity" halved) and, for GeForce, its white papers
# on Turing, GA102, Ada and RTX Blackwell: from GA102 on, twice the rate of plain 32-bit arithmetic.
_PEAKS = (
    ("GB300", 2500), ("GB200", 2500), ("B300", 2250), ("B200", 2250), ("GH200", 989),
    ("H200 NVL", 835), ("H200", 989), ("H100 PCIe", 756), ("H100 NVL", 835), ("H100", 989),
    ("H800 PCIe", 756), ("H800", 989), ("H20", 148), ("A100", 312), ("A800", 312), ("A40", 150), ("A30", 165),
    ("A10G", 70), ("A10", 125), ("A2", 18), ("L40S", 362), ("L40", 181), ("L4", 121), ("T4", 65),
    ("V100S", 130), ("V100-PCIE", 112), ("V100", 125),
    ("RTX PRO 6000 Blackwell", 504), ("RTX 6000 Ada", 364), ("RTX 5000 Ada", 261), ("RTX 4500 Ada", 158),
    ("RTX 4000 SFF Ada", 77), ("RTX 4000 Ada", 82),
    ("RTX A6000", 155), ("RTX A5500", 136), ("RTX A5000", 111), ("RTX A4500", 95), ("RTX A4000", 77),
    ("RTX A2000", 32), ("Quadro RTX 8000", 131), ("Quadro RTX 6000", 131), ("TITAN RTX", 131),
    ("RTX 5090", 210), ("RTX 5080", 113), ("RTX 5070 Ti", 88), ("RTX 5070", 62), ("RTX 5060 Ti", 47),
    ("RTX 5060", 38),
    ("RTX 4090", 165), ("RTX 4080 SUPER", 104), ("RTX 4080", 97), ("RTX 4070 Ti SUPER", 88),
    ("RTX 4070 Ti", 80), ("RTX 4070 SUPER", 71), ("RTX 4070", 58), ("RTX 4060 Ti", 44), ("RTX 4060", 30),
    ("RTX 3090 Ti", 80), ("RTX 3090", 71), ("RTX 3080 Ti", 68), ("RTX 3080", 60), ("RTX 3070 Ti", 43),
    ("RTX 3070", 41), ("RTX 3060 Ti", 32), ("RTX 3060", 25), ("RTX 2080 Ti", 54),
)  # fmt: skip
# Plain 32-bit rates of the cards before Ampere, which compute what overflows in float16 so: same sources.
_PLAIN = (
    ("T4", 8.1), ("V100S", 16.4), ("V100-PCIE", 14), ("V100", 15.7), ("Quadro RTX 8000", 16.3),
    ("Quadro RTX 6000", 16.3), ("TITAN RTX", 16.3), ("RTX 2080 Ti", 13.4),
)  # fmt: skip
_OTHER_CHIP = re.compile(r"\b(Laptop|Max-Q|Mobile)\b|\d D\b")  # less than the card of the same number
_SLICE = re.compile(r"\bMIG (\d)(?:c\.\dg|g)\.")
_SLICES = {"A30": 4}  # of the others 7


def flops_per_token(shape: ShapeConfig, adapter: int, attended: float) -> float:
    """Floating-point operations of one training step per token, with LoRA on a frozen base.

    Args:
        shape: of the base.
        adapter: weights of the adapter.
        attended: T, the mean length of the row that a token is in.
    """
    embedding = 0 if shape.tie_word_embeddings else shape.vocab_size * shape.hidden_size  # a look-up
    multiplying = parameters(shape) - embedding
    width = shape.num_attention_heads * shape.head_dim
    return 4 * multiplying + 6 * adapter + 12 * shape.num_hidden_layers * width * attended


def peak_flops(gpu: str, dtype: Dtype) -> float | None:
    """Operations per second that a GPU of that name could do at most, of a slice (MIG) its share; None for
    one that is not listed, and for float32 on Ampere and later, where nothing needs it."""
    if _OTHER_CHIP.search(gpu):
        return None
    peaks = _PLAIN if dtype == "float32" else _PEAKS
    name, peak = next(((name, peak) for name, peak in peaks if re.search(rf"\b{name}\b", gpu)), ("", None))
    if peak is None:
        return None
    part = _SLICE.search(gpu)
    return peak * 1e12 * (int(part[1]) / _SLICES.get(name, 7) if part else 1)


def utilisation(tokens_per_second: float, per_token: float, peak: float | None) -> float | None:
    """Model FLOPs utilisation of one device, 0 to 1; None where its peak is not known."""
    return None if peak is None else tokens_per_second * per_token / peak
