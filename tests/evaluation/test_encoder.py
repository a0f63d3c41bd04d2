"""The encoder baseline learns what can be learnt."""

from __future__ import annotations

import random

import pytest

from medft.data.record import Record
from medft.errors import DataError
from medft.evaluation.config import EncoderConfig
from medft.evaluation.encoder import TINY, predict

LABELS = ("entailment", "neutral", "contradiction")
SIGNS = {"entailment": "indeed", "neutral": "perhaps", "contradiction": "never"}


def _pairs(n: int, seed: int) -> list[Record]:
    rng = random.Random(seed)
    chosen = [rng.choice(LABELS) for _ in range(n)]
    return [
        Record(
            f"{i}",
            "s",
            "nli",
            "en",
            question=f"{SIGNS[label]} patient {rng.randint(0, 9)}",
            context="note",
            label=label,
        )
        for i, label in enumerate(chosen)
    ]


def test_it_learns_a_sign_and_repeats_with_its_seed() -> None:
    config = EncoderConfig(base=TINY, epochs=6, learning_rate=3e-3, batch_size=16, max_length=32)
    test = _pairs(40, 2)
    predicted, about = predict(_pairs(240, 1), test, LABELS, config, seed=1)
    assert sum(p == r.label for p, r in zip(predicted, test, strict=True)) >= 38
    assert predict(_pairs(240, 1), test, LABELS, config, seed=1) == (predicted, about)
    assert about["pairs cut"] == 0


def test_a_label_without_training_pairs_is_an_error() -> None:
    train = [record for record in _pairs(50, 1) if record.label != "neutral"]
    with pytest.raises(DataError, match="no training pair of neutral"):
        predict(train, _pairs(3, 2), LABELS, EncoderConfig(base=TINY), seed=1)
