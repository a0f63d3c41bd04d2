"""The lengths of MedQuAD's rows in tokens, and what batches of them waste on padding."""

from __future__ import annotations

import csv
import itertools
import os
import random
from collections.abc import Sequence
from pathlib import Path

# Twentieths of the 16,407 rows' lengths: question and answer by Mistral's tokenizer and 32 tokens of
# template, cut at 2,048.
QUANTILES = (
    44, 87, 109, 125, 145, 163, 180, 198, 216, 236, 259, 282, 310, 346, 381, 422, 472, 541, 658, 899, 2048,
)  # fmt: skip
_TEMPLATE = 32


def medquad_lengths(max_length: int) -> list[int]:
    """Lengths of the real rows where MEDFT_REAL_DATA holds them, else as many drawn from their quantiles."""
    folder = os.environ.get("MEDFT_REAL_DATA")
    real = _read(Path(folder)) if folder else _draw(16_407)
    return [min(length, max_length) for length in real]


def _read(folder: Path) -> list[int]:
    import sentencepiece

    words = sentencepiece.SentencePieceProcessor(str(folder / "tokenizers" / "mistral_v0.2_tokenizer.model"))
    with (folder / "medquad.csv").open(encoding="utf-8", newline="") as file:
        texts = [f"{row['question']}\n\n{row['answer']}" for row in csv.DictReader(file) if row["answer"]]
    return [len(ids) + _TEMPLATE for ids in words.encode(texts)]


def _draw(count: int) -> list[int]:
    draw = random.Random(1)
    steps = list(itertools.pairwise(QUANTILES))
    return [round(draw.uniform(*draw.choice(steps))) for _ in range(count)]


def grouped_ratio(lengths: Sequence[int], rows: int, per_step: int) -> float:
    """Processed over real tokens of one epoch, grouped by length."""
    from medft.training.sampler import GroupedByLength

    order = [lengths[i] for i in GroupedByLength(lengths, per_step, seed=1)]
    batches = [order[i : i + rows] for i in range(0, len(order), rows)]
    return sum(len(batch) * max(batch) for batch in batches) / sum(order)
