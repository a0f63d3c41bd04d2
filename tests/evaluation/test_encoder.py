"""The encoder baseline learns what can be learnt."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from medft.data.record import Record
from medft.errors import DataError, EngineError
from medft.evaluation.config import EncoderConfig
from medft.evaluation.encoder import Baseline, open_baseline, predict
from tests.support.small_encoder import write_encoder

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


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    texts = [f"{record.context} {record.question}" for record in _pairs(240, 1)]
    return str(write_encoder(tmp_path_factory.mktemp("encoder"), texts))


def test_it_learns_a_sign_and_repeats_with_its_seed(base: str, capfd: pytest.CaptureFixture[str]) -> None:
    config = EncoderConfig(base=base, epochs=6, learning_rate=3e-3, batch_size=16, max_length=32)
    baseline, test = open_baseline(config, _pairs(240, 1), LABELS), _pairs(40, 2)
    steps: list[tuple[str, int, int]] = []
    predicted, about = predict(baseline, test, 1, lambda *told: steps.append(told))
    assert sum(p == r.label for p, r in zip(predicted, test, strict=True)) >= 38
    assert steps == [("encoder: training", n, 90) for n in range(1, 91)]
    assert predict(baseline, test, seed=1) == (predicted, about)
    assert (about["base"], about["training pairs"], about["pairs cut"]) == (base, 240, 0)
    assert 0 < about["last loss"] < 0.5
    assert "loss" not in capfd.readouterr().out
    assert baseline.key(test[0], 1) == baseline.key(test[0], 1) != baseline.key(test[0], 2)
    fewer = open_baseline(config, _pairs(239, 1), LABELS)
    assert baseline.key(test[0], 1) != fewer.key(test[0], 1)


def test_a_label_without_training_pairs_is_an_error() -> None:
    train = [record for record in _pairs(50, 1) if record.label != "neutral"]
    with pytest.raises(DataError, match="no training pair for neutral"):
        open_baseline(EncoderConfig(), train, LABELS)


def test_training_is_the_recipe_written_by_hand(base: str) -> None:
    """Of two steps the second one's loss tells what the first one did; premises are cut, not hypotheses."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    config = EncoderConfig(base=base, epochs=2, learning_rate=1e-3, batch_size=8, max_length=7)
    train = [replace(record, context="note " * 9) for record in _pairs(6, 1)]
    _, about = predict(Baseline(config, Path(base), train, LABELS), train, seed=3)
    assert about["pairs cut"] == 12
    torch.manual_seed(3)
    model, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(base, num_labels=3),
        AutoTokenizer.from_pretrained(base),
    )
    pairs = [("note", record.question) for record in train]
    rows = tokenizer(pairs, padding=True, return_tensors="pt")
    gold = torch.tensor([LABELS.index(record.label) for record in train])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    model(**rows, labels=gold).loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    assert about["last loss"] == pytest.approx(model(**rows, labels=gold).loss.item(), rel=1e-4)


def test_pickled_weights_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(EngineError, match="only as pickle"):
        open_baseline(EncoderConfig(base=str(tmp_path)), _pairs(60, 1), LABELS)
