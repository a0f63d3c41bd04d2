"""Small random models of the four families, adapters made by peft, and peft's merge as reference."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medft.merge.inputs import Inputs
from medft.merge.logits import Questions
from medft.merge.rounding import MergingConfig
from medft.merge.stream import SHARD_BYTES, MergeReport, write

FAMILIES = ("gemma", "llama2", "mistral", "llama3_1")
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SHAPE = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
QUESTIONS = Questions(
    [([1, *range(10 + row, 30 + row)], [-100] * 4 + list(range(13 + row, 30 + row))) for row in range(9)]
)
NEAREST = MergingConfig(rounding="nearest")


def small_model(family: str, dtype: str = "bfloat16", seed: int = 0) -> Any:
    """A random causal language model of the family's architecture."""
    import torch
    from transformers import AutoModelForCausalLM, GemmaConfig, LlamaConfig, MistralConfig

    classes: dict[str, Callable[..., Any]] = {
        "gemma": lambda **shape: GemmaConfig(**shape, tie_word_embeddings=True),
        "llama2": LlamaConfig,
        "mistral": lambda **shape: MistralConfig(**shape, sliding_window=None),
        "llama3_1": lambda **shape: LlamaConfig(**shape, rope_parameters=LLAMA3_ROPE),
    }
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(classes[family](**SHAPE))
    return model.to(getattr(torch, dtype)).eval()


def save_tokenizer(folder: Path) -> None:
    """A word-level tokenizer with a chat template."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<s>", "</s>", "<unk>", *(f"w{number}" for number in range(SHAPE["vocab_size"] - 4))]
    core = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    )
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    )
    tokenizer.save_pretrained(folder)


def make_adapter(model: Any, folder: Path, **settings: Any) -> Path:
    """`lora` with the word-level tokenizer beside it."""
    lora(model, folder, **settings)
    save_tokenizer(folder)
    return folder


def lora(model: Any, folder: Path, *, size: float = 0.02, seed: int = 1, **settings: Any) -> None:
    """A LoRA adapter with random weights, as training leaves it; ``size`` is the spread of B."""
    import torch
    from peft import LoraConfig, get_peft_model

    settings = {"r": 8, "lora_alpha": 12, "target_modules": PROJECTIONS} | settings
    torch.manual_seed(seed)
    wrapped = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings))
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name or "lora_embedding_A" in name:
            torch.nn.init.normal_(parameter, std=size)
        elif "magnitude" in name:
            parameter.data.mul_(1 + size * torch.randn_like(parameter))
        elif "modules_to_save" in name or (parameter.requires_grad and name.endswith(".bias")):
            parameter.data.add_(size * torch.randn_like(parameter))
    wrapped.save_pretrained(folder)


def write_merge(
    base: Path,
    adapter: Path,
    out: Path,
    stop_ids: tuple[int, ...] = (),
    max_shard_bytes: int = SHARD_BYTES,
    merging: MergingConfig = NEAREST,
) -> MergeReport:
    """The streaming merge in a folder of its own, not checked."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return write(Inputs(base, adapter, stop_ids, merging=merging), out, max_shard_bytes)


def peft_merge(
    base: Path, adapter: Path, out: Path, load_as: str = "auto", save_as: str = "bfloat16"
) -> Path:
    """The reference: peft's merge_and_unload of a base loaded as ``load_as``, saved by transformers."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=load_as)
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    merged.to(getattr(torch, save_as)).save_pretrained(out)
    return out


def quantise(base: Path, out: Path) -> Path:
    """The base in NF4 with double quantisation, as the published 4-bit repositories have it."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model = AutoModelForCausalLM.from_pretrained(base, quantization_config=settings, dtype=torch.bfloat16)
    model.save_pretrained(out)
    return out
