"""How much arithmetic a token costs, and what share of a GPU's arithmetic a training reached (MFU).

Owns the formula and the peak rates of GPUs. Knows nothing of runs.

Chowdhery et al. 2022, PaLM, appendix B: 6 N + 12 L H Q T floating-point operations per token, with N the
weights that multiply, L layers, H heads of width Q, and T tokens attended to; recomputation does not count.
Of the 6 N, 2 are the forward pass, 2 the gradient of activations, 2 the gradient of weights; LoRA leaves out
the last on the frozen base: 4 N + 6 n with n the adapter's weights.
"""

from __future__ import annotations

from medft.models.registry import Dtype, ShapeConfig, parameters

# Dense 16-bit tensor-core rates of NVIDIA's data sheets, by a part of the driver's name; the first wins.
_PEAKS = (
    ("B200", 2250e12), ("H200", 989e12), ("H100 PCIe", 756e12), ("H100 NVL", 835e12), ("H100", 989e12),
    ("A100", 312e12), ("L40S", 362e12), ("L4", 121e12), ("A10G", 70e12), ("A10", 125e12), ("T4", 65e12),
    ("V100", 125e12), ("RTX 4090", 165e12), ("RTX 3090", 71e12),
)  # fmt: skip


def flops_per_token(shape: ShapeConfig, adapter: int, attended: float) -> float:
    """Floating-point operations of one training step per token, with LoRA on a frozen base.

    Args:
        shape: of the base.
        adapter: weights of the adapter.
        attended: T, the mean length of the row that a token stands in.
    """
    embedding = 0 if shape.tie_word_embeddings else shape.vocab_size * shape.hidden_size  # a look-up
    multiplying = parameters(shape) - embedding
    width = shape.num_attention_heads * shape.head_dim
    return 4 * multiplying + 6 * adapter + 12 * shape.num_hidden_layers * width * attended


def peak_flops(gpu: str, dtype: Dtype) -> float | None:
    """Operations per second that a GPU of that name could do at most; None for one that is not listed, and
    for float32, which its tensor cores do not compute."""
    if dtype == "float32":
        return None
    return next((peak for name, peak in _PEAKS if name in gpu), None)


def utilisation(tokens_per_second: float, per_token: float, peak: float | None) -> float | None:
    """Model FLOPs utilisation of one device, 0 to 1; None where its peak is not known."""
    return None if peak is None else tokens_per_second * per_token / peak
