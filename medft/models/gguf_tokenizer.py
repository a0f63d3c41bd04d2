"""The vocabulary of a GGUF file -> a tokenizer that splits text as the model's own does.

A file with a byte-level vocabulary names its way of splitting text (``tokenizer.ggml.pre``) instead of
describing it: look here for the table of those names. One with SentencePiece's has scores in place of merges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from medft.errors import EngineError
from medft.models.gguf_config import ids

_CONTROL, _USER_DEFINED, _UNUSED = 3, 4, 5  # llama.cpp's kinds of tokens
_BLANK = "\u2581"  # what stands for a blank in SentencePiece's pieces

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


@dataclass(frozen=True, slots=True)
class _Splitting:
    """What happens to a text before the merges."""

    pre: Callable[[], Any]
    """The pre-tokenizer."""
    whole: bool = False
    """Whether a word that is a token is taken whole, whatever the merges say."""
    normalize: bool = False
    """Whether characters are composed first (NFC)."""


def _gpt2() -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def _smollm() -> Any:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _gpt2()])


def _words(digits: str) -> Any:
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(_WORDS % digits), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip


_SPLITTINGS = {
    "gpt-2": _Splitting(_gpt2),
    "smollm": _Splitting(_smollm),
    "llama-bpe": _Splitting(lambda: _words("{1,3}"), whole=True),
    "qwen2": _Splitting(lambda: _words(""), normalize=True),
}
"""From the tokenizer.json that the models' own repositories have."""


def tokenizer(fields: Mapping[str, Any]) -> Any:
    """The tokenizer of a file, a ``transformers.PreTrainedTokenizerFast``.

    Raises:
        EngineError: a kind of vocabulary, or a way of splitting text, that is not known here.
    """
    from transformers import PreTrainedTokenizerFast

    tokens, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    special = ids(fields) | {"unk_token_id": fields.get("tokenizer.ggml.unknown_token_id")}
    stop = special["eos_token_id"]
    special["eos_token_id"] = stop[0] if isinstance(stop, list) else stop
    names = {key.removesuffix("_id"): tokens[i] for key, i in special.items() if i is not None}
    words = PreTrainedTokenizerFast(
        tokenizer_object=_backend(fields, tokens, kinds),
        **names,
        clean_up_tokenization_spaces=False,
        model_max_length=fields[f"{fields['general.architecture']}.context_length"],
    )
    words.chat_template = fields.get("tokenizer.chat_template")
    return words


def _backend(fields: Mapping[str, Any], tokens: list[str], kinds: list[int]) -> Tokenizer:
    kind = fields.get("tokenizer.ggml.model")
    if kind not in _KINDS:
        raise EngineError(
            f"this GGUF file has a vocabulary of the kind '{kind}', which is not known here",
            remedy="gpt2 (byte-level BPE) and llama (SentencePiece) are; else take the model's safetensors",
        )
    vocabulary = {token: i for i, token in enumerate(tokens) if kinds[i] != _UNUSED}
    backend = _KINDS[kind](fields, vocabulary)
    backend.add_special_tokens(_added(tokens, kinds, _CONTROL, special=True))
    backend.add_tokens(_added(tokens, kinds, _USER_DEFINED, special=False))
    _begin(backend, fields, tokens)
    return backend


def _byte_level(fields: Mapping[str, Any], vocabulary: dict[str, int]) -> Tokenizer:
    name = fields.get("tokenizer.ggml.pre", "default")
    if name not in _SPLITTINGS:
        raise EngineError(
            f"this GGUF file splits text as '{name}', which is not known here",
            remedy=f"{', '.join(_SPLITTINGS)} are; else take the safetensors of the model",
        )
    splitting = _SPLITTINGS[name]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    backend = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=splitting.whole))
    backend.pre_tokenizer = splitting.pre()
    backend.decoder = decoders.ByteLevel()
    if splitting.normalize:
        backend.normalizer = normalizers.NFC()
    return backend


def _sentencepiece(fields: Mapping[str, Any], vocabulary: dict[str, int]) -> Tokenizer:
    """Pieces are merged by their scores, the highest first; what has no piece is split into bytes."""
    unknown = fields["tokenizer.ggml.tokens"][fields["tokenizer.ggml.unknown_token_id"]]
    merges = _merges(vocabulary, fields["tokenizer.ggml.scores"])
    backend = Tokenizer(models.BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    blank = normalizers.Replace(" ", _BLANK)
    before = fields.get("tokenizer.ggml.add_space_prefix", True)
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(_BLANK), blank]) if before else blank
    stripped = [decoders.Strip(" ", 1, 0)] if before else []
    backend.decoder = decoders.Sequence([
        decoders.Replace(_BLANK, " "), decoders.ByteFallback(), decoders.Fuse(), *stripped,
    ])  # fmt: skip
    return backend


def _merges(vocabulary: dict[str, int], scores: Sequence[float]) -> list[tuple[str, str]]:
    """Every pair of pieces that makes a piece: the highest score of what it makes first; of equal ones, which
    runs of blanks have, the longest, as SentencePiece joins them from the left."""
    found = [
        (-scores[i], -k, k - len(piece), (piece[:k], piece[k:]))
        for piece, i in vocabulary.items()
        for k in range(1, len(piece))
        if piece[:k] in vocabulary and piece[k:] in vocabulary
    ]
    return [pair for *_, pair in sorted(found)]


_KINDS = {"gpt2": _byte_level, "llama": _sentencepiece}
"""llama.cpp's names for kinds of vocabularies."""


def _added(tokens: list[str], kinds: list[int], kind: int, *, special: bool) -> list[AddedToken]:
    """Tokens that are looked for in a text before it is split."""
    return [
        AddedToken(token, normalized=False, special=special)
        for token, its in zip(tokens, kinds, strict=True)
        if its == kind
    ]


def _begin(backend: Tokenizer, fields: Mapping[str, Any], tokens: list[str]) -> None:
    """Put the first token before every text, where the file asks for it."""
    number = fields.get("tokenizer.ggml.bos_token_id")
    by_default = fields["tokenizer.ggml.model"] == "llama"
    if number is not None and fields.get("tokenizer.ggml.add_bos_token", by_default):
        first = tokens[number]
        backend.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", pair=f"{first} $A {first}:1 $B:1", special_tokens=[(first, number)]
        )
