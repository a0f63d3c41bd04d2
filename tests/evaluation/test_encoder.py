"""The encoder baseline learns what can be learnt."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from medft.data.record import Record
from medft.errors import DataError, EngineError
from medft.evaluation.config import EncoderConfig
from medft.evaluation.encoder import _tiny, open_baseline, predict

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
    config = EncoderConfig(epochs=6, learning_rate=3e-3, batch_size=16, max_length=32)
    baseline, test = open_baseline(config, _pairs(240, 1), LABELS, tiny=True), _pairs(40, 2)
    predicted, about = predict(baseline, test, seed=1)
    assert sum(p == r.label for p, r in zip(predicted, test, strict=True)) >= 38
    assert predict(baseline, test, seed=1) == (predicted, about)
    assert about["pairs cut"] == 0
    assert baseline.key(test[0], 1) == baseline.key(test[0], 1) != baseline.key(test[0], 2)
    fewer = open_baseline(config, _pairs(239, 1), LABELS, tiny=True)
    assert baseline.key(test[0], 1) != fewer.key(test[0], 1)


def test_a_label_without_training_pairs_is_an_error() -> None:
    train = [record for record in _pairs(50, 1) if record.label != "neutral"]
    with pytest.raises(DataError, match="no training pair of neutral"):
        open_baseline(EncoderConfig(), train, LABELS, tiny=True)


def test_a_checkpoint_is_fine_tuned_from_its_folder(tmp_path: Path) -> None:
    config = EncoderConfig(base=str(tmp_path), epochs=1, batch_size=16, max_length=32)
    train = _pairs(60, 1)
    for part in _tiny(LABELS, train, 32):
        part.save_pretrained(tmp_path)
    predicted, about = predict(open_baseline(config, train, LABELS, tiny=False), train[:4], seed=1)
    assert set(predicted) <= set(LABELS)
    assert about["base"] == str(tmp_path)


def test_pickled_weights_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(EngineError, match="only as pickle"):
        open_baseline(EncoderConfig(base=str(tmp_path)), _pairs(60, 1), LABELS, tiny=False)
