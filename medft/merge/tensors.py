"""Shared by the writer and the check of merged weights: fit, types, and blocks of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from medft.errors import MergeError
from medft.merge.adapter import Change
from medft.merge.base import EMBEDDING, FLOATS, OUTPUT, BaseWeights
from medft.merge.checkpoint import Spec

_BLOCK = 1 << 19  # elements that are computed at a time: 2 MiB of float32


def check_fit(source: BaseWeights, changes: Mapping[str, Change], adapter: Path) -> None:
    """Refuse an adapter made for other weights.

    Raises:
        MergeError: it changes a tensor that the base does not have, or one half of a tied pair.
    """
    strangers = sorted(changes.keys() - source.specs.keys())
    if source.tied and changes.keys() & {EMBEDDING, OUTPUT}:
        raise MergeError(
            "the adapter changes the embedding, which this base also uses as its output layer: "
            "merged weights can hold the change for both or for none, not for one",
            where=str(adapter),
            remedy="train without embed_tokens and lm_head among the targets",
        )
    if strangers:
        raise MergeError(
            f"the adapter changes {len(strangers)} tensors that the base lacks, the first is {strangers[0]}",
            where=str(adapter),
            remedy=f"is {source.folder} the model it was trained on?",
        )


def merged_spec(spec: Spec, dtype: str) -> Spec:
    """A weight of the base as it is merged: floats in ``dtype``, anything else as it is."""
    return Spec(spec.name, dtype if spec.dtype in FLOATS else spec.dtype, spec.shape)


def blocks(spec: Spec) -> Iterator[slice]:
    """The rows of a tensor, in blocks that fit a processor's cache.

    Blocks have a multiple of 16 rows, and the last one takes what is left over: BLAS libraries compute
    products of very few rows by other routines, which round differently; peft multiplies the whole tensor.
    """
    count = spec.shape[0] if spec.shape else 1
    step = max(16, _BLOCK // max(1, math.prod(spec.shape[1:])) // 16 * 16)
    starts = range(0, max(1, count // step) * step, step)
    for start in starts:
        yield slice(start, count if start == starts[-1] else start + step)
