"""Checks of a loaded model that both engines make: 4 bits are 4 bits, the tokenizer fits; which layers get an
adapter (``lora_targets``), and in which type; and a trained adapter put on a base."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from medft.engine.base import LoadSpec, LoraConfig
from medft.errors import EngineError
from medft.models.causal_lm import AdaptedLM, CausalLM, base_of
from medft.models.folder import check_adapter
from medft.prompt.tokenizer import Tokenizer


def linear4bit(model: CausalLM) -> list[str]:
    """Names of the layers whose weight is held in 4 bits."""
    from bitsandbytes.nn import Linear4bit

    return [name for name, module in model.named_modules() if isinstance(module, Linear4bit)]


def check_loaded(model: CausalLM, spec: LoadSpec) -> None:
    """Refuse a model that is not the one asked for: libraries drop 4 bits, or stretch positions, with a mere
    message.

    Raises:
        EngineError: no 4-bit layer although asked for, or some although not; or other positions than stored.
    """
    count = len(linear4bit(model))
    if bool(count) != spec.load_in_4bit:
        raise EngineError(
            f"engine.load_in_4bit={str(spec.load_in_4bit).lower()}, but {count} layers were loaded in 4 bits",
            where=str(spec.path),
            remedy="set engine.load_in_4bit to the other value, or use another base",
        )
    _check_positions(model, spec.path)


def _check_positions(model: CausalLM, folder: Path) -> None:
    """Refuse a model whose rotary positions are not those that ``folder`` stores."""
    from transformers import AutoConfig

    stored = AutoConfig.from_pretrained(folder, local_files_only=True)
    for name in ("rope_parameters", "max_position_embeddings"):
        wanted, found = (getattr(config, name, None) for config in (stored, model.config))
        if wanted != found:
            raise EngineError(
                f"the model was loaded with {name} {found}, but its config.json says {wanted}",
                where=str(folder),
                remedy="set trainer.max_length, or context, to the length that the base was trained for",
            )


def check_tokenizer(model: CausalLM, tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer with ids that the embedding has no row for.

    Raises:
        EngineError: names both sizes.
    """
    rows, tokens = model.get_input_embeddings().weight.shape[0], len(tokenizer)
    if tokens > rows:
        raise EngineError(
            f"the tokenizer has {tokens} tokens, the model only {rows} embeddings",
            remedy="use the tokenizer of this model",
        )


class Targets(NamedTuple):
    """Which layers get an adapter, in PEFT's terms."""

    names: list[str]
    """``target_modules``: last parts of their names."""
    exclude: str | None
    """``exclude_modules``: a pattern of all that stands outside of the language model, where something there
    has one of the names."""


def lora_targets(model: CausalLM, lora: LoraConfig) -> Targets:
    """The linear layers of the language model's blocks that ``lora`` names, or all of them: fused ones too,
    and never those of a vision tower beside it.

    Raises:
        EngineError: ``lora`` names layers that the blocks do not have, which PEFT drops silently if another
            one matches.
    """
    from torch.nn import Linear

    decoder = model.get_decoder()
    place = next(name for name, module in model.named_modules() if module is decoder)
    linear = [name for name, module in model.named_modules() if isinstance(module, Linear)]
    of_blocks = [name for name in linear if re.match(rf"{re.escape(place)}\..*\.\d+\.", name)]
    found = list(dict.fromkeys(map(_leaf, of_blocks)))
    names = list(lora.target_modules or found)
    missing = [name for name in names if _leaf(name) not in found]
    if missing:
        raise EngineError(
            f"'lora.target_modules' names layers that this model does not have: {', '.join(missing)}",
            remedy=f"choose from {', '.join(found)}; null takes all of them",
        )
    wanted = set(map(_leaf, names))
    elsewhere = any(
        _leaf(name) in wanted and not name.startswith(f"{place}.") for name, _ in model.named_modules()
    )
    return Targets(names, rf"(?!{re.escape(place)}\.).*" if elsewhere else None)


def _leaf(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def has_plain_head(model: CausalLM) -> bool:
    """Whether a causal LM's logits are its output layer applied to its last hidden states; some scale or cap
    them. Asked of the model itself, with a few tokens, but for a cap, which small logits do not show."""
    import torch

    base = base_of(model)
    if getattr(base.config.get_text_config(), "final_logit_softcapping", None):
        return False
    head, device = base.get_output_embeddings(), next(base.parameters()).device
    ids, training = torch.arange(1, 9, device=device)[None], base.training
    seen: list[torch.Tensor] = []
    hook = base.get_decoder().register_forward_hook(lambda _, __, output: seen.append(output[0]))
    model.eval()
    try:
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False).logits
            return torch.allclose(head(seen[0].to(head.weight.dtype)).float(), logits.float(), rtol=1e-2)
    finally:
        hook.remove()
        model.train(training)


def take_inputs_as_they_are(model: AdaptedLM) -> None:
    """Let the adapters of a model that is computed under autocast leave the casting to it.

    PEFT casts every input to the adapter's float32 first, and autocast casts it back: two copies for each
    layer, one of them kept for the backward pass, with the same result. DoRA's layers, which compute norms
    beside, are left as they are.
    """
    from peft.tuners.lora import LoraLayer

    for module in model.modules():
        if isinstance(module, LoraLayer) and not any(module.use_dora.values()):
            module.cast_input_dtype_enabled = False


def with_adapter(model: CausalLM, adapter: Path) -> AdaptedLM:
    """``model`` with the trained adapter of folder ``adapter``.

    Raises:
        EngineError: as ``check_adapter``.
    """
    from peft import PeftModel

    check_adapter(adapter)
    adapted: AdaptedLM = PeftModel.from_pretrained(model, str(adapter))
    return adapted
