"""The `tokenizer.model` of a SentencePiece family's twin: the same vocabulary in SentencePiece's own format.

Owns that translation. Knows nothing of how the vocabulary was learnt. transformers reads tokenizer.json and
leaves this file alone; converters to GGUF take pieces, scores and types from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tokenizers import Tokenizer


def proto(tokenizer: Tokenizer, unknown: str, dummy_prefix: bool) -> bytes:
    """A SentencePiece BPE model (sentencepiece_model.proto) that splits text as ``tokenizer`` does.

    Args:
        tokenizer: BPE with byte fallback.
        unknown: its token for what has none.
        dummy_prefix: whether a blank is put before the text.
    """
    from sentencepiece.sentencepiece_model_pb2 import ModelProto, TrainerSpec

    model = ModelProto()
    for piece, score, kind in _pieces(tokenizer, unknown):
        model.pieces.add(piece=piece, score=score, type=ModelProto.SentencePiece.Type.Value(kind))
    model.trainer_spec.model_type = TrainerSpec.ModelType.BPE
    model.trainer_spec.byte_fallback = True
    model.trainer_spec.unk_piece = unknown
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = dummy_prefix
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.escape_whitespaces = True
    serialised: bytes = model.SerializeToString()
    return serialised


def _pieces(tokenizer: Tokenizer, unknown: str) -> Iterator[tuple[str, float, str]]:
    """Piece, score and type, by id. SentencePiece merges the pair of the highest score first, where a merge's
    rank stands in tokenizer.json."""
    bpe: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(bpe["merges"]):
        ranks.setdefault(left + right, rank)
    special = {str(token.content) for token in tokenizer.get_added_tokens_decoder().values()}
    for piece in sorted(bpe["vocab"], key=bpe["vocab"].__getitem__):
        if piece == unknown:
            kind = "UNKNOWN"
        elif piece in special:
            kind = "CONTROL"
        else:
            kind = "BYTE" if piece.startswith("<0x") and piece.endswith(">") else "NORMAL"
        yield piece, -float(ranks.get(piece, len(ranks))), kind
