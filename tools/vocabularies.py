"""Small vocabularies, learnt from a few texts and built as the real families' tokenizers are.

Three kinds are enough: SentencePiece BPE with a blank put before the text (``llama``), SentencePiece BPE
without it and with tokens for runs of newlines and blanks (``gemma``), and byte-level BPE (``byte_level``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

SIZE = 2048
"""Tokens of each vocabulary, special ones included."""
UNKNOWN = "<unk>"
"""What stands for text without a token, in a SentencePiece vocabulary."""

_BLANK = "▁"  # what SentencePiece writes for a space
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_ASCII = [chr(code) for code in range(0x21, 0x7F)]
# Pieces never join two words, letters with digits, or two digits, as in the families' SentencePiece training.
_PIECES = Regex(rf"{_BLANK}?\p{{L}}+|\p{{N}}|{_BLANK}?[^\p{{L}}\p{{N}}{_BLANK}]+|{_BLANK}")


@dataclass(frozen=True, slots=True)
class _Learnt:
    pieces: list[str]
    merges: list[tuple[str, str]]


def llama(texts: Sequence[str], special: Sequence[str], bos: str) -> Tokenizer:
    """Bytes for what has no piece; a blank before the first word; every digit alone."""
    runs = _greedy_runs()
    fixed = [*special, *_BYTES, *runs.pieces]
    metaspace = pre_tokenizers.Metaspace(_BLANK, prepend_scheme="first", split=False)
    learnt = _learn(_lines(texts), SIZE - len(fixed), metaspace)
    # Runs of blanks come last in rank: a word keeps the blank before it.
    tokenizer = _bpe([*fixed, *learnt.pieces], [*learnt.merges, *runs.merges], special)
    tokenizer.pre_tokenizer = metaspace
    tokenizer.decoder = decoders.Sequence([*_sentencepiece_decoders(), decoders.Strip(" ", 1, 0)])
    return _begin(tokenizer, bos)


def gemma(texts: Sequence[str], special: Sequence[str], bos: str) -> Tokenizer:
    """As ``llama``, without the blank before the text, and with tokens for runs of newlines and blanks."""
    newlines, blanks = _runs("\n", 31), _runs(_BLANK, 31)
    fixed = [*special, "\n", *newlines.pieces, *blanks.pieces, *_BYTES]
    blank = normalizers.Replace(" ", _BLANK)
    learnt = _learn(_lines(texts), SIZE - len(fixed), None, blank)
    merges = [*newlines.merges, *blanks.merges, *learnt.merges]
    tokenizer = _bpe([*fixed, *learnt.pieces], merges, special)
    tokenizer.normalizer = blank
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(_sentencepiece_decoders())
    return _begin(tokenizer, bos)


def byte_level(
    texts: Sequence[str],
    special: Sequence[str],
    split: str,
    *,
    added: Sequence[str] = (),
    bos: str | None = None,
) -> Tokenizer:
    """A token for every byte, words cut by the regular expression ``split``.

    Args:
        texts: to learn from.
        special: control tokens, numbered after the learnt ones.
        split: the family's own, from its published tokenizer.
        added: tokens after those that are ordinary text to a decoder.
        bos: put before every text; None: the family has none, and normalises text to NFC.
    """
    tokenizer = Tokenizer(models.BPE(ignore_merges=bos is not None))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(split), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=SIZE - len(special) - len(added),
        min_frequency=2,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in added])
    if bos is not None:
        return _begin(tokenizer, bos)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.post_processor = processors.ByteLevel(
        add_prefix_space=False, trim_offsets=False, use_regex=False
    )
    return tokenizer


def _learn(lines: Iterable[str], size: int, pre_tokenizer: Any, normalizer: Any = None) -> _Learnt:
    """BPE pieces and merges of ``lines``, single characters last, as SentencePiece numbers them."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    pieces = pre_tokenizers.Split(_PIECES, "isolated")
    steps = [pieces] if pre_tokenizer is None else [pre_tokenizer, pieces]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
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


def _runs(character: str, longest: int) -> _Learnt:
    """Tokens for 2 to ``longest`` repetitions of a character, and every way to merge them."""
    merges = [
        (character * left, character * (length - left))
        for length in range(2, longest + 1)
        for left in range(1, length)
    ]
    return _Learnt([character * length for length in range(2, longest + 1)], merges)


def _greedy_runs() -> _Learnt:
    """Tokens for 2 to 14 and for 16 blanks, as Mistral's vocabulary has them. All have one score there, and
    of equal scores SentencePiece merges the leftmost: a run grows from its left, which these ranks say."""
    merges = [(_BLANK * 14, _BLANK * 2), *((_BLANK * length, _BLANK) for length in range(13, 0, -1))]
    return _Learnt([_BLANK * length for length in (*range(2, 15), 16)], merges)


def _bpe(pieces: Sequence[str], merges: list[tuple[str, str]], special: Sequence[str]) -> Tokenizer:
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True)
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def _begin(tokenizer: Tokenizer, bos: str) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A",
        pair=f"{bos} $A {bos}:1 $B:1",
        special_tokens=[(bos, tokenizer.token_to_id(bos))],
    )
    return tokenizer


def _sentencepiece_decoders() -> list[Any]:
    return [decoders.Replace(_BLANK, " "), decoders.ByteFallback(), decoders.Fuse()]


def _lines(texts: Iterable[str]) -> list[str]:
    """SentencePiece learns from lines, so that none of its pieces holds a newline."""
    return [line for text in texts for line in text.splitlines() if line]
