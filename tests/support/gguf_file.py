"""Small random models, and GGUF files of them as llama.cpp's converter writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEXTS = (
    "Take 250 mg of amoxicillin every 8 hours for 10 days.",
    "It's a chronic disease; 1,234 people weren't treated.\n\n\tWHO'S next?",
    "naïve café — 37.5 °C, 東京 🚑  two  blanks",
)
LAYERS, HEADS, KEYS, HEAD, WIDTH, INNER = 2, 4, 2, 32, 128, 192


def words(pre: Any) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with the pre-tokenizer ``pre``; its stop is not its first token."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre
    backend.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=320,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(TEXTS * 4, trainer)
    unknown, first, stop = SPECIAL
    known = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token=unknown, bos_token=first, eos_token=stop, pad_token=stop
    )
    known.chat_template = TEMPLATE
    return known


def model(architecture: str, vocabulary: int, **settings: Any) -> Any:
    """A random model whose weights bfloat16 holds exactly."""
    torch.manual_seed(5)
    config = AutoConfig.for_model(
        architecture,
        **{"vocab_size": vocabulary, "hidden_size": WIDTH, "intermediate_size": INNER, "head_dim": HEAD,
           "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KEYS,
           "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "tie_word_embeddings": True,
           "rope_parameters": {"rope_type": "default", "rope_theta": 50000.0}, **settings},
    )  # fmt: skip
    made = AutoModelForCausalLM.from_config(config)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.1)
        weight.data = weight.data.to(torch.bfloat16).float()
    return made


def write(
    path: Path,
    made: Any,
    known: PreTrainedTokenizerFast,
    *,
    pre: str,
    architecture: str = "",
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    more: Callable[[gguf.GGUFWriter], object] = lambda writer: None,
) -> Path:
    """The GGUF file of a model and its tokenizer.

    Args:
        path: of the file.
        made: the model.
        known: its tokenizer.
        pre: the name of its way to split text.
        architecture: its name in the file; the model's own, where it is empty.
        kind: what projections and embedding are quantised to.
        more: adds what else the file holds.
    """
    config = made.config
    writer = gguf.GGUFWriter(path, architecture or config.model_type)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    _add_words(writer, known, pre)
    more(writer)
    names = gguf.get_tensor_name_map(_known(config.model_type), config.num_hidden_layers)
    for name, weight in made.state_dict().items():
        stem, _, last = name.rpartition(".")
        if not (config.tie_word_embeddings and stem == "lm_head"):
            numbers = _interleaved(name, weight, config).numpy()
            _add(writer, f"{names.get_name(stem)}.{last}", numbers, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _known(model_type: str) -> gguf.MODEL_ARCH:
    return next(arch for arch, name in gguf.MODEL_ARCH_NAMES.items() if name == model_type)


def _add_words(writer: gguf.GGUFWriter, known: PreTrainedTokenizerFast, pre: str) -> None:
    from json import loads

    tokens = known.convert_ids_to_tokens(range(len(known)))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_token_types([control if token in SPECIAL else normal for token in tokens])
    merges = loads(known.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_bos_token_id(known.bos_token_id)
    writer.add_eos_token_id(known.eos_token_id)
    writer.add_unk_token_id(known.unk_token_id)
    writer.add_pad_token_id(known.pad_token_id)
    writer.add_add_bos_token(False)
    writer.add_chat_template(known.chat_template)


def _add(writer: gguf.GGUFWriter, name: str, numbers: np.ndarray, kind: gguf.GGMLQuantizationType) -> None:
    if numbers.ndim == 1 or kind == gguf.GGMLQuantizationType.F32:
        writer.add_tensor(name, numbers)
    else:
        writer.add_tensor(name, gguf.quantize(numbers, kind), raw_dtype=kind)


def _interleaved(name: str, weight: torch.Tensor, config: Any) -> torch.Tensor:
    """Llama's query and key rows as llama.cpp rotates them: pairs of neighbours."""
    if config.model_type != "llama" or not name.endswith(("q_proj.weight", "k_proj.weight")):
        return weight
    heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return halves.transpose(1, 2).reshape(weight.shape).contiguous()
