"""Makes the family folders of conf/family/: ``python -m tools.make_families [FOLDER]``.

Each is what a hub repository of that family holds beside its weights, at the size of a two-layer twin:
config.json, generation_config.json, tokenizer_config.json, a vocabulary learnt from
data/samples/medical_qa.jsonl (tokenizer.json, for a SentencePiece family tokenizer.model too) and
chat_template.jinja, which is TRL's where TRL ships one for the family; the others are written by hand and
left as they are. The same versions of the libraries write the same bytes.

A new family: an entry in FAMILIES, then run this. Nothing in medft/ names a family.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from tools import vocabularies
from tools.sentencepieces import proto

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "conf" / "family"
SAMPLE = ROOT / "data" / "samples" / "medical_qa.jsonl"

# What chat templates write; the families have tokens for most of it.
_CHAT_WORDS = (
    "user", "model", "system", "assistant", "[INST]", "<<SYS>>", "<</SYS>>",
    "Cutting Knowledge Date: December 2023", "Today Date: 26 Jul 2024",
)  # fmt: skip

_SENTENCEPIECE = ("<unk>", "<s>", "</s>")
_GEMMA = (
    "<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<2mass>", "[@BOS@]",
    *(f"<unused{n}>" for n in range(99)), "<start_of_turn>", "<end_of_turn>",
)  # fmt: skip
_LLAMA3 = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>", "<|reserved_special_token_2|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eom_id|>", "<|eot_id|>", "<|python_tag|>", *(f"<|reserved_special_token_{n}|>" for n in range(3, 8)),
)  # fmt: skip
_LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_QWEN3 = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>",
    "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
_QWEN3_TEXT = (  # added tokens that a decoder does not skip
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
    "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>",
)  # fmt: skip
_QWEN3_SPLIT = _LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")

# Widths are multiples of 64, the block of NF4. Heads are grouped where the family's are, and attention is
# wider than the residual stream where theirs is, so that code that confuses these sizes fails here too.
_SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 16,
    "hidden_act": "silu",
    "attention_bias": False,
    "attention_dropout": 0.0,
    "initializer_range": 0.02,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "dtype": "bfloat16",
}


@dataclass(frozen=True, slots=True)
class Family:
    """What a family's repositories say, but for sizes."""

    vocabulary: Callable[[list[str]], Tokenizer]
    """Learns the tokenizer."""
    config: dict[str, Any]
    """config.json, over the common shape."""
    tokenizer: dict[str, Any]
    """tokenizer_config.json: class, special tokens and switches."""
    stop: tuple[str, ...]
    """What ends generation."""
    bos: str
    """bos_token_id of config.json; a family whose tokenizer writes none names one all the same."""
    generation: dict[str, Any] = field(default_factory=dict)
    """generation_config.json, besides ids."""
    template: str | None = None
    """TRL's chat template; None: written by hand."""


def _llama(texts: list[str]) -> Tokenizer:
    return vocabularies.llama(texts, _SENTENCEPIECE, "<s>")


_LLAMA_TOKENS = {
    "tokenizer_class": "LlamaTokenizer",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "pad_token": "<unk>",
    "unk_token": "<unk>",
    "legacy": False,  # no blank after a special token: Mistral's own library and Llama-2's repository agree
    "add_bos_token": True,
    "add_eos_token": False,
}
FAMILIES = {
    "gemma": Family(
        lambda texts: vocabularies.gemma(texts, _GEMMA, "<bos>"),
        {
            "architectures": ["GemmaForCausalLM"],
            "model_type": "gemma",
            "head_dim": 32,
            "hidden_act": "gelu_pytorch_tanh",
            "initializer_range": 0.005,  # Gemma multiplies embeddings by sqrt(hidden_size)
            "max_position_embeddings": 8192,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
            "tie_word_embeddings": True,
        },
        {
            "tokenizer_class": "GemmaTokenizer",
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "add_bos_token": True,
            "add_eos_token": False,
        },
        ("<eos>", "<end_of_turn>"),
        "<bos>",
        template="gemma",
    ),
    "llama2": Family(
        _llama,
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        },
        _LLAMA_TOKENS,
        ("</s>",),
        "<s>",
    ),
    "mistral": Family(
        _llama,
        {
            "architectures": ["MistralForCausalLM"],
            "model_type": "mistral",
            "num_key_value_heads": 2,
            "max_position_embeddings": 32768,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
            "sliding_window": None,
        },
        _LLAMA_TOKENS,
        ("</s>",),
        "<s>",
    ),
    "llama3_1": Family(
        lambda texts: vocabularies.byte_level(texts, _LLAMA3, _LLAMA3_SPLIT, bos="<|begin_of_text|>"),
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "num_key_value_heads": 2,
            "max_position_embeddings": 131072,
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 5e5,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192,
            },
        },
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<|begin_of_text|>",
            "eos_token": "<|eot_id|>",
            "pad_token": "<|finetune_right_pad_id|>",
        },
        ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"),
        "<|begin_of_text|>",
        template="llama3_1",
    ),
    "qwen3": Family(
        lambda texts: vocabularies.byte_level(texts, _QWEN3, _QWEN3_SPLIT, added=_QWEN3_TEXT),
        {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "num_key_value_heads": 2,
            "head_dim": 32,
            "max_position_embeddings": 40960,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
            "sliding_window": None,
            "tie_word_embeddings": True,
            "use_sliding_window": False,
        },
        {
            "tokenizer_class": "Qwen2Tokenizer",
            "bos_token": None,
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",  # also a stop: medft pads with another
            "unk_token": None,
            "add_bos_token": False,
            "add_prefix_space": False,
        },
        ("<|im_end|>", "<|endoftext|>"),
        "<|endoftext|>",
        {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95},
        template="qwen3",
    ),
}


def main(folder: Path = FOLDER) -> None:
    """Write every family under ``folder``."""
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    texts = [f"{row['question']}\n\n{row['answer']}" for row in rows]
    texts += _CHAT_WORDS * 16  # often enough to be worth a token each
    for name, family in FAMILIES.items():
        write(family, texts, folder / name)


def write(family: Family, texts: list[str], folder: Path) -> None:
    """The files of one family, its vocabulary learnt from ``texts``."""
    folder.mkdir(parents=True, exist_ok=True)
    words = family.vocabulary(texts)
    size = words.get_vocab_size()
    ids = {
        "bos_token_id": words.token_to_id(family.bos),
        "eos_token_id": [words.token_to_id(token) for token in family.stop],
        "pad_token_id": words.token_to_id(family.tokenizer["pad_token"]),
    }
    _json(folder / "config.json", _SHAPE | family.config | ids | {"vocab_size": size + -size % 64})
    _json(folder / "generation_config.json", ids | family.generation)
    added = {str(number): _as_json(token) for number, token in words.get_added_tokens_decoder().items()}
    switches = {"clean_up_tokenization_spaces": False, "padding_side": "left", "added_tokens_decoder": added}
    _json(folder / "tokenizer_config.json", family.tokenizer | switches)
    (folder / "tokenizer.json").write_text(words.to_str() + "\n", encoding="utf-8")
    if unknown := family.tokenizer.get("unk_token"):
        (folder / "tokenizer.model").write_bytes(proto(words, unknown))
    if family.template:
        (folder / "chat_template.jinja").write_text(_template(family.template), encoding="utf-8")


def _template(name: str) -> str:
    import trl

    templates = Path(trl.__file__).with_name("chat_templates")
    return (templates / f"{name}.jinja").read_text(encoding="utf-8")


def _as_json(token: AddedToken) -> dict[str, Any]:
    names = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
    return {name: getattr(token, name) for name in names}


def _json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
