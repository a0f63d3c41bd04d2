"""The rehearsal meets what would not fit before step 1, and leaves no trace when all fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medft.engine import engine
from medft.engine.base import LoadSpec, LoraConfig
from medft.models.tiny import Twin
from medft.training.phases import phase_of
from tests.support import sft


@pytest.fixture(scope="module")
def base(twins: Callable[[Any], Twin]) -> Path:
    return twins("mistral").nf4


def build(base: Path, folder: Path, **recipe: Any) -> Any:
    """A trainer over rows of different lengths, with dropout, so that random state matters."""
    from transformers import AutoTokenizer, set_seed

    tokenizer = AutoTokenizer.from_pretrained(base)
    spec = LoadSpec(base, "float32", load_in_4bit=True, max_length=128)
    set_seed(5)
    model = engine("transformers").load_for_training(spec, LoraConfig(dropout=0.1), tokenizer, seed=3)
    examples = [{**row, "length": len(row["input_ids"])} for row in sft.rows(8)]
    trainer = sft.trainer(model, tokenizer, examples, folder, per_device_batch_size=2, **recipe)
    trainer.eval_dataset = trainer.train_dataset
    return trainer


@pytest.mark.parametrize("joined", [False, True])
def test_training_after_a_rehearsal_is_the_same_training(base: Path, tmp_path: Path, joined: bool) -> None:
    from medft.training.rehearsal import Rehearsal, tokens_per_second

    found = []
    for rehearsed in (False, True):
        trainer = build(base, tmp_path / str(rehearsed), padding_free=joined)
        if rehearsed:
            assert tokens_per_second(trainer) > 0
            callback = Rehearsal([trainer.eval_dataset])
            callback.trainer = trainer
            trainer.add_callback(callback)
        trainer.train()
        found.append((sft.losses(trainer), trainer.measured().tokens))
    assert found[0] == found[1]


def test_the_speed_is_that_of_rows_of_all_lengths(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of eight rows in steps of 2 x 2, sorted, the second, fourth, sixth and eighth; by a clock that is read
    after the first batch and at the end, two seconds apart."""
    from medft.training import rehearsal

    trainer = build(base, tmp_path, gradient_accumulation_steps=2)
    clock = iter((7.0, 9.0))
    monkeypatch.setattr(rehearsal.time, "perf_counter", lambda: next(clock))
    lengths = sorted(trainer.train_dataset["length"])
    assert rehearsal.tokens_per_second(trainer) == sum(lengths[1::2]) / 2


@pytest.mark.parametrize("gpu", [None, 3])
def test_random_state_is_kept_of_the_gpu_that_is_used_and_of_no_other(
    monkeypatch: pytest.MonkeyPatch, gpu: int | None
) -> None:
    """Of all of them torch keeps it with a warning, and opens a context on each."""
    import torch

    from medft.training import rehearsal

    class KeptError(Exception):
        pass

    def fork_rng(devices: list[int] | None = None) -> None:
        raise KeptError(devices)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu is not None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: gpu)
    monkeypatch.setattr(torch.random, "fork_rng", fork_rng)
    with pytest.raises(KeptError) as kept:
        rehearsal.rehearse(SimpleNamespace(args=None, model_wrapped=None), [])  # type: ignore[arg-type]
    assert kept.value.args == ([] if gpu is None else [gpu],)


@pytest.mark.parametrize("failing", ["validation", "training"])
def test_the_longest_rows_are_tried_and_an_error_says_in_which_phase(
    base: Path, tmp_path: Path, failing: str
) -> None:
    from medft.training.rehearsal import rehearse

    trainer = build(base, tmp_path)
    sizes = sorted(trainer.train_dataset["length"], reverse=True)[:2]
    met: list[tuple[str, tuple[int, int]]] = []

    def compute_loss(model: Any, batch: Any) -> Any:
        now = "training" if model.training else "validation"
        met.append((now, tuple(batch["input_ids"].shape)))
        if now == failing:
            raise RuntimeError
        return sum(p.sum() for p in model.parameters() if p.requires_grad)

    trainer.args.per_device_eval_batch_size = 2
    trainer.compute_loss, trainer.model_wrapped = compute_loss, trainer.model
    with pytest.raises(RuntimeError) as error:
        rehearse(trainer, [trainer.eval_dataset, trainer.eval_dataset.select([0])])
    assert phase_of(error.value) == failing
    assert met[-1] == (failing, (2, sizes[0]))
    assert [now for now, _ in met] == (
        ["validation"] if failing == "validation" else ["validation"] * 2 + ["training"]
    )
