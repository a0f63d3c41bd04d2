"""Small tokenizers of the four families: trained here, built and configured as the families' own are.

Owns the layout of each family's vocabulary and its pre- and post-processing. Knows nothing of models, of
files, or of how a tokenizer is loaded.

Three kinds are enough: SentencePiece BPE with a blank put before the text (Llama-2, Mistral), SentencePiece
BPE without it and with tokens for runs of newlines and blanks (Gemma), and byte-level BPE (Llama-3.1).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

from medft.models.registry import Family
from medft.models.tiny_family import GEMMA, LLAMA3, SENTENCEPIECE, SPECIALS, UNKNOWN, Specials

SIZE = 2048
"""Tokens of each vocabulary, special ones included."""

_CHAT_WORDS = (
    "user", "model", "system", "assistant", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>",
    "Cutting Knowledge Date: December 2023", "Today Date: 26 Jul 2024",
)  # fmt: skip
"""What chat templates write; the families have tokens for most of it."""

_BLANK = "▁"  # what SentencePiece writes for a space
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_ASCII = [chr(code) for code in range(0x21, 0x7F)]

# Pieces never join two words, letters with digits, or two digits, as in the families' SentencePiece training.
_PIECES = Regex(rf"{_BLANK}?\p{{L}}+|\p{{N}}|{_BLANK}?[^\p{{L}}\p{{N}}{_BLANK}]+|{_BLANK}")
# The split of Llama 3, from its published tokenizer.
_LLAMA3_SPLIT = Regex(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


def train(family: Family, texts: Sequence[str]) -> Tokenizer:
    """The family's tokenizer with a vocabulary of at most `SIZE` learnt from ``texts``."""
    texts = [*texts, *_CHAT_WORDS * 16]  # often enough to be worth a token each
    if family == "llama3_1":
        return _llama3(texts)
    return _gemma(texts) if family == "gemma" else _llama2(family, texts)


def _llama2(family: Family, texts: Sequence[str]) -> Tokenizer:
    runs = _runs(_BLANK, 16, doubling=True)
    fixed = [*SENTENCEPIECE, *_BYTES, *runs.pieces]
    prepend = [normalizers.Prepend(_BLANK), normalizers.Replace(" ", _BLANK)]
    normalizer = normalizers.Sequence(prepend)
    learnt = _learn(_lines(texts), SIZE - len(fixed), _PIECES, normalizer)
    # Runs of blanks come last in rank: a word keeps the blank before it.
    tokenizer = _bpe([*fixed, *learnt.pieces], [*learnt.merges, *runs.merges], SENTENCEPIECE)
    tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.Sequence([*_sentencepiece_decoders(), decoders.Strip(" ", 1, 0)])
    return _finish(tokenizer, SPECIALS[family])


def _gemma(texts: Sequence[str]) -> Tokenizer:
    newlines, blanks = _runs("\n", 31), _runs(_BLANK, 31)
    fixed = [*GEMMA, "\n", *newlines.pieces, *blanks.pieces, *_BYTES]
    normalizer = normalizers.Replace(" ", _BLANK)
    learnt = _learn(_lines(texts), SIZE - len(fixed), _PIECES, normalizer)
    merges = [*newlines.merges, *blanks.merges, *learnt.merges]
    tokenizer = _bpe([*fixed, *learnt.pieces], merges, GEMMA)
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(_sentencepiece_decoders())
    return _finish(tokenizer, SPECIALS["gemma"])


def _llama3(texts: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(_LLAMA3_SPLIT, "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=SIZE - len(LLAMA3),
        min_frequency=2,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in LLAMA3])
    return _finish(tokenizer, SPECIALS["llama3_1"])


@dataclass(frozen=True, slots=True)
class _Learnt:
    pieces: list[str]
    merges: list[tuple[str, str]]


def _learn(lines: Iterable[str], size: int, pieces: Regex, normalizer: Any) -> _Learnt:
    """BPE pieces and merges of ``lines``, single characters last, as SentencePiece numbers them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Split(pieces, "isolated")
    trainer = BpeTrainer(
        vocab_size=size, min_frequency=2, initial_alphabet=[*_ASCII, _BLANK], show_progress=False
    )
    tokenizer.train_from_iterator(lines, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    ranked = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return _Learnt(
        [p for p in ranked if len(p) > 1] + [p for p in ranked if len(p) == 1],
        list(map(tuple, model["merges"])),
    )


def _runs(character: str, longest: int, *, doubling: bool = False) -> _Learnt:
    """Tokens for 2 to ``longest`` repetitions of a character, and every way to merge them."""
    lengths = [2**n for n in range(1, longest.bit_length())] if doubling else list(range(2, longest + 1))
    known = {1, *lengths}
    merges = [
        (character * left, character * (length - left))
        for length in lengths
        for left in range(1, length)
        if left in known and length - left in known
    ]
    return _Learnt([character * length for length in lengths], merges)


def _bpe(pieces: Sequence[str], merges: list[tuple[str, str]], special: Sequence[str]) -> Tokenizer:
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True)
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def _finish(tokenizer: Tokenizer, special: Specials) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{special.bos} $A",
        pair=f"{special.bos} $A {special.bos}:1 $B:1",
        special_tokens=[(special.bos, tokenizer.token_to_id(special.bos))],
    )
    return tokenizer


def _sentencepiece_decoders() -> list[Any]:
    return [decoders.Replace(_BLANK, " "), decoders.ByteFallback(), decoders.Fuse()]


def _lines(texts: Iterable[str]) -> list[str]:
    """SentencePiece learns from lines, so that none of its pieces holds a newline."""
    return [line for text in texts for line in text.splitlines() if line]
