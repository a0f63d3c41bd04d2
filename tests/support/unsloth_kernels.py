"""Unsloth's Triton kernels, as the same mathematics in torch; part of ``unsloth_on_cpu``.

Each function has the signature and the in-place effects of the launcher that it stands in for, and rounds to
the storage type where the kernel does. That they agree with the kernels themselves is a test
(``test_unsloth_on_cpu.py`` runs both).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor


def use(kernels: Literal["torch", "triton"]) -> None:
    """Let Unsloth compute with the functions below, or with its own Triton kernels, interpreted."""
    import unsloth.kernels.geglu

    from tests.support import unsloth_tanh

    # libdevice's tanh is the one device function that the interpreter lacks
    unsloth.kernels.geglu.triton_tanh = unsloth_tanh.tanh
    for module, name, stand_in in _replaced():
        original = _ORIGINALS.setdefault((module.__name__, name), getattr(module, name))
        setattr(module, name, stand_in if kernels == "torch" else original)


_ORIGINALS: dict[tuple[str, str], Any] = {}


def _replaced() -> list[tuple[Any, str, Any]]:
    """(module, name, stand-in) of every launch that loading, training and generation reach."""
    from unsloth.kernels import fast_lora, rms_layernorm, rope_embedding, utils

    return [
        (rope_embedding, "_rope_qk", _rope_qk),
        (rope_embedding, "_rope_rows", _rope_rows),
        (rms_layernorm, "_rms_forward", _rms_forward),
        (rms_layernorm, "_rms_backward", _rms_backward),
        # fast_lora imported these by name
        (fast_lora, "swiglu_fg_kernel", partial(_gated, _silu)),
        (fast_lora, "swiglu_DWf_DW_dfg_kernel", partial(_gated_backward, _silu)),
        (fast_lora, "geglu_approx_forward_kernel", partial(_gated, _gelu)),
        (fast_lora, "geglu_approx_backward_kernel", partial(_gated_backward, _gelu)),
        (utils, "_USE_NF4_KERNELS", False),  # the Triton ones; without them, the two below
        (utils, "_fast_dequantize_ctypes", _dequantise),
        (utils, "_fast_gemv_ctypes", _gemv),
    ]


def _rotate(x: Tensor, cos: Tensor, sin: Tensor, backward: bool) -> None:
    """Rotary embedding of ``x`` (..., head_dim) in place; ``cos`` and ``sin`` broadcast."""
    half = x.shape[-1] // 2
    cos, sin = cos[..., :half], sin[..., :half]
    if backward:
        sin = -sin
    low, high = x[..., :half].clone(), x[..., half:].clone()
    x[..., :half] = low * cos - high * sin
    x[..., half:] = high * cos + low * sin


def _rope_qk(
    q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, rows: Tensor, has_rows: bool, backward: bool, _wrap: Any
) -> None:
    """``q``, ``k`` (batch, heads, length, head_dim) in place; ``rows``: position of each token, if given."""
    batch, _, length, _ = q.shape
    position = rows.view(batch, length).long() if has_rows else torch.arange(length).expand(batch, length)
    for x in (q, k):
        _rotate(x, cos[position].unsqueeze(1), sin[position].unsqueeze(1), backward)


def _rope_rows(
    q: Tensor, cos: Tensor, sin: Tensor, length: int, heads: int, head_dim: int, backward: bool, _wrap: Any
) -> None:
    """``q`` (batch * length, heads * head_dim) in place."""
    x = q.view(-1, length, heads, head_dim)
    _rotate(x, cos[:length].unsqueeze(1), sin[:length].unsqueeze(1), backward)


def _rms_forward(
    x: Tensor, weight: Tensor, eps: float, gemma: bool, _wrap: Any, _multirow: Any = None
) -> tuple[Tensor, Tensor]:
    """(normalised ``x`` (rows, width), 1 / rms of each row in float32); Gemma's weight is offset by 1."""
    wide = x.float()
    inverse = torch.rsqrt(wide.square().mean(-1) + eps)
    normed = wide * inverse.unsqueeze(-1)
    scaled = normed * (weight.float() + 1) if gemma else normed.to(weight.dtype) * weight
    return scaled.to(x.dtype), inverse


def _rms_backward(
    dy: Tensor,
    dx: Tensor,
    x: Tensor,
    weight: Tensor,
    inverse: Tensor,
    eps: float,
    gemma: bool,
    _wrap: Any,
    _multirow: Any = None,
    train_w: bool = False,
    from_y: bool = False,
) -> None:
    """Writes the gradient of ``x`` into ``dx``, which may be ``dy`` itself. The weight is frozen."""
    assert not train_w and not from_y, "not reached under LoRA with Unsloth's defaults"
    normed = x.float() * inverse.unsqueeze(-1)
    scaled = dy.float() * (weight.float() + 1 if gemma else weight.float())
    dx.copy_(inverse.unsqueeze(-1) * (scaled - normed * (scaled * normed).mean(-1, keepdim=True)))


# An activation f: x -> (f(x), f'(x)).
_Activation = Callable[[Tensor], tuple[Tensor, Tensor]]


def _silu(x: Tensor) -> tuple[Tensor, Tensor]:
    gate = torch.sigmoid(x)
    return gate * x, gate * (1 + x * (1 - gate))


def _gelu(x: Tensor) -> tuple[Tensor, Tensor]:
    """The tanh approximation (arXiv 1606.08415)."""
    slope = math.sqrt(2 / math.pi)
    bent = torch.tanh(slope * x * (1 + 0.044715 * x * x))
    inner = slope * (1 + 3 * 0.044715 * x * x)
    return 0.5 * x * (1 + bent), 0.5 * (1 + bent) + 0.5 * x * (1 - bent * bent) * inner


def _gated(activation: _Activation, gate: Tensor, up: Tensor) -> Tensor:
    return activation(gate.float())[0].to(up.dtype) * up


def _gated_backward(
    activation: _Activation, dh: Tensor, gate: Tensor, up: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(h, gradient of up's input, gradient of gate's input), written over ``dh``, ``gate`` and ``up``."""
    value, slope = activation(gate.float())
    value = value.to(dh.dtype)
    h, d_up, d_gate = value * up, dh * value, ((dh * up).float() * slope).to(dh.dtype)
    return dh.copy_(h), gate.copy_(d_up), up.copy_(d_gate)


def _dequantise(weight: Tensor, state: Any, out: Tensor | None = None, _buffer: bool = False) -> Tensor:
    import bitsandbytes.functional

    whole = weight.t() if weight.shape[0] == 1 else weight  # stored (n, 1); the transposed view asks for W^T
    matrix = bitsandbytes.functional.dequantize_4bit(whole, state)
    if out is not None:
        matrix = out.copy_(matrix)
    return matrix.t() if weight.shape[0] == 1 else matrix


def _gemv(x: Tensor, weight: Tensor, state: Any, out: Tensor | None = None) -> Tensor:
    return torch.matmul(x, _dequantise(weight, state).t(), out=out)


@dataclass(frozen=True)
class Sizes:
    """What the kernels are given."""

    hidden: int = 192
    inner: int = 64
    heads: tuple[int, int] = (4, 2)
    """Of queries, and of keys."""
    head_dim: int = 32
    dtype: torch.dtype = torch.float32


def differences() -> dict[str, float]:
    """Largest absolute difference of each float32 stand-in to the interpreted kernel, on random tensors."""
    found = {}
    for name, call in calls(Sizes()).items():
        results = []
        for kernels in ("triton", "torch"):
            use(kernels)  # type: ignore[arg-type]
            torch.manual_seed(0)
            results.append(call())
        found[name] = max(float((a - b).abs().max()) for a, b in zip(*results, strict=True))
    return found


def calls(sizes: Sizes) -> dict[str, Callable[[], tuple[Tensor, ...]]]:
    """Every kernel that training reaches, forward and backward, on random tensors."""
    from unsloth.kernels import fast_lora, rms_layernorm, rope_embedding, utils

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape).to(sizes.dtype)

    def activation(forward: str, backward: str) -> tuple[Tensor, ...]:
        gate, up, gradient = random(3, 5, sizes.inner)
        h = getattr(fast_lora, forward)(gate[None], up[None])
        return (h, *getattr(fast_lora, backward)(gradient, gate.clone(), up.clone()))

    def norm(gemma: bool) -> tuple[Tensor, ...]:
        x, weight, gradient = random(5, sizes.hidden), random(sizes.hidden), random(5, sizes.hidden)
        y, inverse = rms_layernorm._rms_forward(x, weight, 1e-6, gemma, rms_layernorm._eager_kernel)
        dx = torch.empty_like(x)
        rms_layernorm._rms_backward(
            gradient, dx, x, weight, inverse, 1e-6, gemma, rms_layernorm._eager_kernel
        )
        return y, inverse, dx

    def rope(rows: Tensor | None) -> tuple[Tensor, ...]:
        q, k = (random(2, heads, 6, sizes.head_dim).requires_grad_() for heads in sizes.heads)
        angle = torch.rand(9, sizes.head_dim)
        outs = rope_embedding.fast_rope_embedding(q * 1, k * 1, angle.cos(), angle.sin(), rows)
        grads = torch.autograd.grad(sum((out * out.detach().sin()).sum() for out in outs), (q, k))
        return tuple(out.detach() for out in outs) + grads

    def nf4() -> tuple[Tensor, ...]:
        import bitsandbytes.functional as bnb

        packed, state = bnb.quantize_4bit(
            random(128, sizes.hidden), quant_type="nf4", compress_statistics=True
        )
        return utils.fast_dequantize(packed, state), utils.fast_dequantize(packed.t(), state)

    return {
        "swiglu": lambda: activation("swiglu_fg_kernel", "swiglu_DWf_DW_dfg_kernel"),
        "geglu": lambda: activation("geglu_approx_forward_kernel", "geglu_approx_backward_kernel"),
        "rms_norm": lambda: norm(gemma=False),
        "rms_norm_gemma": lambda: norm(gemma=True),
        "rope": lambda: rope(None),
        "rope_positions": lambda: rope(torch.tensor([[0, 1, 2, 0, 1, 2], [3, 4, 5, 6, 7, 8]])),
        "nf4": nf4,
    }
