"""The fast engine: Unsloth's FastLanguageModel, on a CUDA GPU.

Unsloth patches the libraries' trainers when it is imported; medft's trainer is built on what they then hold.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path

from medft import ranks
from medft.engine import checkpoint, compat, isolation, modules, toolchain
from medft.engine.base import Checkpointing, EngineName, LoadSpec, LoraConfig, LossType
from medft.engine.trainer import Trainer
from medft.machine import probe
from medft.models.causal_lm import AdaptedLM, CausalLM
from medft.models.folder import window
from medft.prompt.tokenizer import Tokenizer

_log = logging.getLogger(__name__)
_OLDEST_CAPABILITY = (7, 0)  # Volta: what Unsloth's Triton kernels compile for
_PATCHED_ON_IMPORT = ("transformers", "trl", "peft")
_CHECKPOINTING: dict[Checkpointing, bool | str] = {"off": False, "standard": True, "unsloth": "unsloth"}


class UnslothEngine:
    """See ``Engine``."""

    name: EngineName = "unsloth"

    def why_not(self) -> str | None:
        """No CUDA GPU, one that is too old, no Unsloth, or nothing to compile its kernels with."""
        gpus = probe().used_by(ranks.count()).gpus
        if not gpus:
            return "no CUDA GPU on this machine; Unsloth needs one"
        old = [gpu.name for gpu in gpus if gpu.capability < _OLDEST_CAPABILITY]
        if old:
            newer = [i for i, gpu in enumerate(probe().gpus) if gpu.capability >= _OLDEST_CAPABILITY]
            way = f"; CUDA_VISIBLE_DEVICES={newer[0]} takes {probe().gpus[newer[0]].name}" if newer else ""
            return f"{old[0]} is older than Unsloth's kernels (compute capability 7.0){way}"
        if importlib.util.find_spec("unsloth") is None:
            return "unsloth is not installed; make setup installs it"
        lacking = toolchain.uncompilable()
        return f"{lacking} ({toolchain.INSTALL})" if lacking else None

    def activate(self) -> None:
        """Import Unsloth, which patches transformers, trl and peft."""
        toolchain.demand_gpu()
        compat.private_environment()
        compat.cache_compiled_unsloth()
        early = [name for name in _PATCHED_ON_IMPORT if name in sys.modules]
        if early and "unsloth" not in sys.modules:
            _log.warning("imported before unsloth, so some of its patches may miss: %s", ", ".join(early))
        import unsloth  # noqa: F401

    def load_for_training(
        self, spec: LoadSpec, lora: LoraConfig, tokenizer: Tokenizer, seed: int
    ) -> AdaptedLM:
        """See ``Engine``."""
        from unsloth import FastLanguageModel

        base = _load(spec)
        modules.check_tokenizer(base, tokenizer)
        targets = modules.lora_targets(base, lora)
        model: AdaptedLM = FastLanguageModel.get_peft_model(
            base,
            r=lora.r,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=targets.names,
            exclude_modules=targets.exclude,
            use_rslora=lora.use_rslora,
            use_dora=lora.use_dora,
            bias="none",
            use_gradient_checkpointing=_CHECKPOINTING[spec.gradient_checkpointing],
            random_state=seed,
        )
        if spec.dtype == "float32":
            compat.keep_float32(model)
        return model

    def loss_type(self, model: CausalLM) -> LossType:
        """See ``Engine``. Unsloth puts its own fused loss, chunked as well, in the place of the plain one."""
        return "nll"

    def separate_examples(self, trainer: Trainer) -> None:
        """See ``Engine``. Unsloth needs the lengths themselves; it adds them to the collator it is given."""
        from unsloth.utils.packing import enable_padding_free_metadata

        enable_padding_free_metadata(trainer.model, trainer)
        isolation.check(trainer)

    def load_for_generation(self, spec: LoadSpec, adapter: Path | None) -> CausalLM:
        """See ``Engine``."""
        from unsloth import FastLanguageModel

        model = _load(spec)
        if adapter is not None:
            model = modules.with_adapter(model, adapter)
        ready: CausalLM = FastLanguageModel.for_inference(model)
        return ready


def _load(spec: LoadSpec) -> CausalLM:
    import torch
    from unsloth import FastLanguageModel

    checkpoint.check_base(spec)
    # Beyond the window Unsloth stretches the positions of every row, which makes another model of the base.
    longest = min(spec.max_length, window(spec.path) or spec.max_length)
    # Left to itself, it spreads a 16-bit base over all visible GPUs; under torchrun each process has its own.
    alone: dict[str, object] = {"device_map": {"": 0}} if ranks.count() == 1 else {}
    model: CausalLM
    model, _unused_tokenizer = FastLanguageModel.from_pretrained(
        str(spec.path),
        max_seq_length=longest,
        dtype=getattr(torch, spec.dtype),
        load_in_4bit=spec.load_in_4bit,
        use_gradient_checkpointing=_CHECKPOINTING[spec.gradient_checkpointing],
        use_exact_model_name=True,  # else it looks for a better-known repository of the same name
        fix_tokenizer=False,  # its own copy of the tokenizer is dropped
        offload_embedding=False,
        local_files_only=True,
        use_safetensors=True,
        **alone,
    )
    modules.check_loaded(model, spec)
    return model
