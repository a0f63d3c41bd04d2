"""The `tokenizer.model` of a SentencePiece family: the vocabulary of its tokenizer.json in SentencePiece's
own format, which converters to GGUF read for pieces, scores and types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tokenizers import Tokenizer


def proto(tokenizer: Tokenizer, unknown: str) -> bytes:
    """A SentencePiece BPE model (sentencepiece_model.proto) that splits text as ``tokenizer`` does: BPE with
    byte fallback, ``unknown`` for what has no piece."""
    from sentencepiece.sentencepiece_model_pb2 import ModelProto, TrainerSpec

    model = ModelProto()
    for piece, score, kind in _pieces(tokenizer, unknown):
        model.pieces.add(piece=piece, score=score, type=ModelProto.SentencePiece.Type.Value(kind))
    model.trainer_spec.model_type = TrainerSpec.ModelType.BPE
    model.trainer_spec.byte_fallback = True
    model.trainer_spec.unk_piece = unknown
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = "Metaspace" in str(tokenizer.pre_tokenizer)
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.escape_whitespaces = True
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _pieces(tokenizer: Tokenizer, unknown: str) -> Iterator[tuple[str, float, str]]:
    """Piece, score and type, by id. SentencePiece merges the pair of the highest score first, where a merge's
    rank stands in tokenizer.json."""
    bpe: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(bpe["merges"]):
        ranks.setdefault(left + right, rank)
    special = {str(token.content) for token in tokenizer.get_added_tokens_decoder().values()}
    lowest = -1e9  # of blanks, where a word keeps the blank before it: all alike, as in Mistral's vocabulary
    last = max(rank for piece, rank in ranks.items() if set(piece) != {"▁"})
    for piece in sorted(bpe["vocab"], key=bpe["vocab"].__getitem__):
        if piece == unknown:
            kind = "UNKNOWN"
        elif piece in special:
            kind = "CONTROL"
        else:
            kind = "BYTE" if piece.startswith("<0x") and piece.endswith(">") else "NORMAL"
        rank = ranks.get(piece, len(ranks))
        yield piece, lowest if set(piece) == {"▁"} and rank > last else -float(rank), kind
