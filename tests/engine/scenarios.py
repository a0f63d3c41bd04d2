"""What is run once with each engine, in whichever process has it, and what is written down for comparison.

Every function returns plain JSON: the Unsloth side runs in a child process.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from medft.engine import modules
from medft.engine.base import Engine, LoadSpec, LoraConfig
from medft.errors import EngineError
from tests.support import sft

SEED = 7
ROWS = sft.rows(12)
BATCHINGS: dict[str, dict[str, Any]] = {
    "4x1": {"per_device_batch_size": 4, "gradient_accumulation_steps": 1},
    "1x4": {"per_device_batch_size": 1, "gradient_accumulation_steps": 4},
    "padding_free": {"per_device_batch_size": 4, "gradient_accumulation_steps": 1, "padding_free": True},
    "packed": {"per_device_batch_size": 1, "gradient_accumulation_steps": 1, "packing": True},
    # 12 rows in windows of 8: the last window has 4
    "8x1": {"per_device_batch_size": 8, "gradient_accumulation_steps": 1},
    "1x8": {"per_device_batch_size": 1, "gradient_accumulation_steps": 8},
    # the same tokens in one sequence, but not told apart: what a leak looks like
    "leaking": {"per_device_batch_size": 1, "gradient_accumulation_steps": 1, "packing": True},
}
PROMPT = [1, 40, 77, 130, 201, 58, 99]


def short_run(
    engine: Engine, spec: LoadSpec, out: Path, rows: list[sft.Row] = ROWS, **recipe: Any
) -> dict[str, Any]:
    """Load, attach LoRA, train an epoch of ``rows`` in steps of 4, save the adapter under ``out``."""
    tokenizer = tokenizer_of(spec.path)
    before = fingerprint(tokenizer)
    model = engine.load_for_training(spec, LoraConfig(r=8), tokenizer, SEED)
    fresh = _adapter_digest(model)
    recipe = {"per_device_batch_size": 2, "gradient_accumulation_steps": 2} | recipe
    recipe |= {"bf16": spec.dtype == "bfloat16", "loss_type": engine.loss_type(model)}
    trainer = sft.trainer(model, tokenizer, rows, out, **recipe)
    trainer.train()
    model.save_pretrained(out / "adapter")
    return {
        "losses": sft.losses(trainer),
        "fresh_adapter": fresh,
        "linear4bit": len(modules.linear4bit(model)),
        "trainable_types": sorted({str(p.dtype) for p in model.parameters() if p.requires_grad}),
        "fused": _fused(model),
        "autocast": [trainer.args.bf16, trainer.args.fp16],
        "tokenizer_changed": fingerprint(tokenizer) != before,
    }


def batchings(engine: Engine, spec: LoadSpec, out: Path) -> dict[str, dict[str, Any]]:
    """The first real batch and the losses of an epoch, rows in their order, of every way to batch them."""
    found = {}
    for name, recipe in BATCHINGS.items():
        tokenizer = tokenizer_of(spec.path)
        model = engine.load_for_training(spec, LoraConfig(r=8), tokenizer, SEED)
        examples = sft.packed(ROWS, 4) if name in ("packed", "leaking") else ROWS
        if name == "leaking":
            examples = [{key: row[key] for key in ROWS[0]} for row in examples]
        recipe = recipe | {"loss_type": engine.loss_type(model)}
        trainer = sft.trainer(model, tokenizer, examples, out, in_order=True, **recipe)
        engine.separate_examples(trainer)
        first = next(iter(trainer.get_train_dataloader()))
        trainer.train()
        found[name] = {
            "labels": first["labels"].tolist(),
            "losses": sft.losses(trainer),
            "bits_known": trainer.stop_loss.works,
        }
    return found


def masked(engine: Engine, spec: LoadSpec, out: Path) -> tuple[str, int]:
    """What a training says whose second step of three has no trained token, and after how many steps."""
    tokenizer = tokenizer_of(spec.path)
    model = engine.load_for_training(spec, LoraConfig(r=8), tokenizer, SEED)
    empty = [row | {"labels": [-100] * len(row["labels"])} for row in ROWS[4:8]]
    rows = [*ROWS[:4], *empty, *ROWS[8:]]
    trainer = sft.trainer(
        model, tokenizer, rows, out, in_order=True, loss_type=engine.loss_type(model),
        per_device_batch_size=2, gradient_accumulation_steps=2,
    )  # fmt: skip
    try:
        trainer.train()
    except EngineError as error:
        return error.what, trainer.state.global_step
    return "", trainer.state.global_step


def generation(engine: Engine, spec: LoadSpec, adapter: Path | None) -> dict[str, Any]:
    """Last logits of a prompt and six greedy tokens, of the base with the adapter."""
    import torch

    model = engine.load_for_generation(spec, adapter)
    ids = torch.tensor([PROMPT])
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -1].float()
        tokens = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False
        )
    return {"logits": logits.tolist(), "tokens": tokens[0].tolist()}


def fingerprint(tokenizer: Any) -> str:
    """Digest of all that a tokenizer does: vocabulary, merges, special tokens, template, padding."""
    parts = (
        tokenizer.backend_tokenizer.to_str(),
        sorted(tokenizer.special_tokens_map.items()),
        tokenizer.chat_template,
        tokenizer.padding_side,
        tokenizer.truncation_side,
        tokenizer.model_max_length,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def tokenizer_of(folder: Path) -> Any:
    """The tokenizer that lies with a base."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def _adapter_digest(model: Any) -> str:
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        if "lora_" in name:
            digest.update(name.encode() + parameter.detach().float().numpy().tobytes())
    return digest.hexdigest()


def _fused(model: Any) -> bool:
    """Whether the attention of the first block computes its projections with Unsloth's fused kernel."""
    attention = model.base_model.model.model.layers[0].self_attn
    return getattr(getattr(attention, "apply_qkv", None), "__name__", "") == "apply_lora_qkv"
