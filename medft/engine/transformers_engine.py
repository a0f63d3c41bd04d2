"""The plain engine: transformers + peft + bitsandbytes, on any machine."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from medft.engine import checkpoint, compat, device, isolation, modules, sharding, toolchain
from medft.engine.base import EngineName, LoadSpec, LoraConfig, LossType
from medft.engine.trainer import Trainer
from medft.errors import EngineError
from medft.models.causal_lm import AdaptedLM, CausalLM
from medft.prompt.tokenizer import Tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig

_log = logging.getLogger(__name__)


class TransformersEngine:
    """See ``Engine``."""

    name: EngineName = "transformers"

    def why_not(self) -> str | None:
        """Always None: it runs wherever torch does."""
        return None

    def activate(self) -> None:
        """Nothing to patch; only keeps libraries private, and computes on a processor only where that is all
        there is."""
        toolchain.demand_gpu()
        compat.private_environment()

    def load_for_training(
        self, spec: LoadSpec, lora: LoraConfig, tokenizer: Tokenizer, seed: int
    ) -> AdaptedLM:
        """See ``Engine``."""
        if spec.gradient_checkpointing == "unsloth":
            raise EngineError(
                "the transformers engine has no 'unsloth' gradient checkpointing",
                remedy="set engine.gradient_checkpointing=standard",
            )
        import torch

        from medft.engine import row_attention

        device.keep_freed_memory()
        base = _load(spec)
        modules.check_tokenizer(base, tokenizer)
        model = _attach(base, lora, seed)
        if spec.sharded:
            sharding.shard(model, spec, torch.device(_device()))
        if spec.gradient_checkpointing == "standard":
            _checkpoint(model)
        row_attention.attend_by_rows(model)
        compat.keep_adapter_float32(model)
        compat.compute_logits_once()
        return model

    def loss_type(self, model: CausalLM) -> LossType:
        """See ``Engine``. The chunked loss leaves out prompts and padding and never holds all logits; it is
        exact where logits are the output layer's and nothing more."""
        if modules.has_plain_head(model):
            return "chunked_nll"
        _log.info("logits are more than the output layer's: the loss takes them all at once")
        return "nll"

    def separate_examples(self, trainer: Trainer) -> None:
        """See ``Engine``. Position ids that start again say it; transformers makes a block mask from them."""
        isolation.check(trainer)

    def load_for_generation(self, spec: LoadSpec, adapter: Path | None) -> CausalLM:
        """See ``Engine``."""
        model = _load(spec)
        if adapter is not None:
            model = modules.with_adapter(model, adapter)
        return model.eval()


def _load(spec: LoadSpec) -> CausalLM:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    stored_in_4bit = checkpoint.check_base(spec)
    config = AutoConfig.from_pretrained(spec.path, local_files_only=True)
    if stored_in_4bit:
        config.quantization_config["bnb_4bit_compute_dtype"] = spec.dtype
    model: CausalLM = AutoModelForCausalLM.from_pretrained(
        spec.path,
        config=config,
        dtype=getattr(torch, spec.dtype),
        quantization_config=_nf4(spec) if spec.load_in_4bit and not stored_in_4bit else None,
        device_map={"": "cpu" if spec.sharded else _device()},
        # PyTorch's fused attention cannot cap scores, and would leave the cap of Gemma 2 out silently.
        attn_implementation="eager"
        if getattr(config.get_text_config(), "attn_logit_softcapping", None)
        else "sdpa",
        use_safetensors=True,
        local_files_only=True,
    )
    if stored_in_4bit:
        _dequantise_to(model, getattr(torch, spec.dtype))
    modules.check_loaded(model, spec)
    compat.keep_cpu_weights(model)
    return model


def _dequantise_to(model: CausalLM, dtype: torch.dtype) -> None:
    """A stored NF4 weight unfolds to the type of where it was quantised; let it be the one asked for."""
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.weight.quant_state.dtype = dtype


def _nf4(spec: LoadSpec) -> BitsAndBytesConfig:
    """NF4 with double quantisation, as in QLoRA (arXiv 2305.14314) and in the 4-bit bases on the hub."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, spec.dtype),
    )


def _device() -> int | str:
    import torch

    return int(os.environ.get("LOCAL_RANK", "0")) if torch.cuda.is_available() else "cpu"


def _attach(base: CausalLM, lora: LoraConfig, seed: int) -> AdaptedLM:
    import peft
    from transformers import set_seed

    targets = modules.lora_targets(base, lora)
    set_seed(seed)
    model: AdaptedLM = peft.get_peft_model(
        base,
        peft.LoraConfig(
            r=lora.r,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=targets.names,
            exclude_modules=targets.exclude,
            use_rslora=lora.use_rslora,
            use_dora=lora.use_dora,
            bias="none",
            task_type="CAUSAL_LM",
        ),
    )
    return model


def _checkpoint(model: CausalLM) -> None:
    model.config.use_cache = False  # a cache would be filled twice, by forward and by its recomputation
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.enable_input_require_grads()  # the frozen embedding's output would carry no gradient
