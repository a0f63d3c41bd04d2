"""The settings of a GGUF file -> a transformers configuration; what cannot be taken over is refused by name.

Look here for which architectures are read, which of a file's keys mean what, and how scaled rotary positions
are found again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medft.errors import EngineError

if TYPE_CHECKING:
    import numpy as np

FREQUENCIES = "rope_freqs.weight"
"""The tensor that holds what each rotary frequency is divided by (Llama 3.1 and later)."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """How llama.cpp writes one architecture down."""

    permuted: bool
    """Whether the rows of query and key projections are reordered: each head's two halves are interleaved."""


ARCHITECTURES = {
    "llama": Architecture(permuted=True),
    "qwen2": Architecture(permuted=False),
    "qwen3": Architecture(permuted=False),
}
"""Those whose round trip tests/models/test_gguf.py proves. transformers has a configuration by each name."""

_SIZES = {
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
}
_OPTIONAL = ("attention.head_count_kv",)
_READ = (
    *_SIZES, "attention.key_length", "attention.value_length", "rope.freq_base", "rope.dimension_count",
    "rope.scaling.type", "rope.scaling.factor", "rope.scaling.original_context_length",
    "rope.scaling.finetuned", "vocab_size",
)  # fmt: skip
_LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""What Llama 3.1, 3.2 and 3.3 share; their factors differ."""


def configuration(
    fields: Mapping[str, Any], vocabulary: int, tied: bool, frequencies: np.ndarray | None
) -> Any:
    """The configuration of the model that a file describes, a ``transformers.PreTrainedConfig``.

    Args:
        fields: the file's keys and values.
        vocabulary: rows of the embedding.
        tied: whether the file has no output layer of its own.
        frequencies: the tensor ``FREQUENCIES``, where the file has it.

    Raises:
        EngineError: an architecture or a setting that is not read here.
    """
    from transformers import AutoConfig

    name = architecture(fields)
    own = {key.removeprefix(f"{name}."): value for key, value in fields.items() if key.startswith(f"{name}.")}
    if unknown := sorted(own.keys() - set(_READ)):
        raise EngineError(f"this GGUF file has settings that are not known here: {', '.join(unknown)}")
    sizes = {
        theirs: _number(own, key) for key, theirs in _SIZES.items() if key in own or key not in _OPTIONAL
    }
    heads = sizes["num_attention_heads"]
    head = own.get("attention.key_length", sizes["hidden_size"] // heads)
    for key in ("attention.value_length", "rope.dimension_count"):
        if own.get(key, head) != head:
            raise EngineError(f"this GGUF file has heads of {head} numbers and {key}={own[key]}")
    return AutoConfig.for_model(
        name,
        **{"num_key_value_heads": heads, **sizes},
        vocab_size=vocabulary,
        head_dim=head,
        rope_parameters=_rope(own, head, frequencies),
        tie_word_embeddings=tied,
        dtype="bfloat16",
        **ids(fields),
    )


def architecture(fields: Mapping[str, Any]) -> str:
    """The name of the file's architecture.

    Raises:
        EngineError: not one of ``ARCHITECTURES``; or an adapter, a projector, or a part of a file.
    """
    name, kind = fields.get("general.architecture"), fields.get("general.type", "model")
    if kind != "model" or fields.get("split.count", 1) > 1:
        raise EngineError(
            "this GGUF file is one part of a model"
            if kind == "model"
            else f"this GGUF file contains no model: {kind}",
            remedy="join the parts (llama-gguf-split --merge), or take the file that holds the whole model",
        )
    if name not in ARCHITECTURES:
        raise EngineError(
            f"this GGUF file has the architecture '{name}', which medft cannot read",
            remedy=f"{', '.join(ARCHITECTURES)} can be read; for others take the safetensors of the model",
        )
    return str(name)


def ids(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The special ids of the file by their names in transformers; None where it says none."""
    own = {name: fields.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "eot", "padding")}
    stops = list(dict.fromkeys(i for i in (own["eos"], own["eot"]) if i is not None))
    return {
        "bos_token_id": own["bos"],
        "eos_token_id": stops[0] if len(stops) == 1 else stops or None,
        "pad_token_id": own["padding"],
    }


def _number(own: Mapping[str, Any], key: str) -> Any:
    value = own.get(key)
    if not isinstance(value, int | float):  # a list has one for each block
        raise EngineError(f"this GGUF file says {key}={value}, where one number is needed")
    return value if isinstance(value, int) else float(f"{value:.7g}")  # single precision: 1e-5 again


def _rope(own: Mapping[str, Any], head: int, frequencies: np.ndarray | None) -> dict[str, Any]:
    """Rotary positions. A scaling that the file names, or spells out in ``frequencies``, is taken over."""
    rope = {"rope_theta": float(own.get("rope.freq_base", 10000.0))}
    kind = own.get("rope.scaling.type", "none")
    if frequencies is not None:
        if kind != "none":
            raise EngineError(f"this GGUF file scales positions twice: by {FREQUENCIES} and as '{kind}'")
        return rope | _llama3(rope["rope_theta"], head, frequencies)
    if kind == "none":
        return rope | {"rope_type": "default"}
    if kind not in ("linear", "yarn"):
        raise EngineError(f"this GGUF file scales positions as '{kind}', which is not known here")
    rope |= {"rope_type": kind, "factor": float(_number(own, "rope.scaling.factor"))}
    if kind == "yarn":
        key = "rope.scaling.original_context_length"
        rope["original_max_position_embeddings"] = int(_number(own, key))
    return rope


def _llama3(theta: float, head: int, frequencies: np.ndarray) -> dict[str, Any]:
    """The settings of Llama 3's scaling that give exactly these divisors of the frequencies."""
    import numpy as np

    factor = float(frequencies.max())
    low, high, original = _LLAMA3.values()
    length = 2 * math.pi * theta ** (np.arange(0, head, 2) / head)  # of each wave, in tokens
    smooth = (original / length - low) / (high - low)
    between = 1 / ((1 - smooth) / factor + smooth)
    known = np.where(length < original / high, 1.0, np.where(length > original / low, factor, between))
    if frequencies.shape != known.shape or not np.allclose(frequencies, known, rtol=1e-4):
        raise EngineError(f"this GGUF file's {FREQUENCIES} is not the scaling of Llama 3")
    return {"rope_type": "llama3", "factor": factor, **_LLAMA3}
