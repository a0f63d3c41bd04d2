"""Batches before step 1: the largest, so that what does not fit in memory fails at once; and those of one
step, to learn how fast training is.

Weights, gradients, random state and counts stay as they were.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from transformers import TrainerCallback

from medft.engine.trainer import Batch, Rows, Trainer
from medft.training.phases import phase


class Rehearsal(TrainerCallback):  # type: ignore[misc]
    """Runs the longest batches to be judged forward and the longest training batch forward and backward.

    Args:
        judged: the splits that the trainer will validate and test.
    """

    def __init__(self, judged: Sequence[Rows]) -> None:
        self.trainer: Trainer | None = None
        self._judged = judged

    def on_train_begin(self, *args: object, **kwargs: object) -> None:
        """Rehearse; an error says which phase it was met in."""
        if self.trainer is not None:
            rehearse(self.trainer, self._judged)


def rehearse(trainer: Trainer, judged: Sequence[Rows]) -> None:
    """Run the largest batches of a trainer that is about to train and then to judge the splits ``judged``.

    Raises:
        torch.OutOfMemoryError: marked with its phase.
    """
    args, model = trainer.args, trainer.model_wrapped
    with _without_trace(trainer):
        model.eval()
        for rows in judged:
            batch = _largest(trainer, rows, args.per_device_eval_batch_size)
            with phase("validation"), torch.no_grad():
                trainer.compute_loss(model, batch)
        model.train()
        batch = _largest(trainer, trainer.train_dataset, args.per_device_train_batch_size)
        with phase("training"):
            trainer.backward(trainer.compute_loss(model, batch))


def tokens_per_second(trainer: Trainer) -> float:
    """The speed of a step whose rows are as long as those of all steps, of a trainer on one processor that
    has not begun to train. The batch of its shortest rows comes first, and once more."""
    args, model, rows = trainer.args, trainer.model, trainer.train_dataset
    size, lengths = args.per_device_train_batch_size, rows["length"][:]
    count = min(size * args.gradient_accumulation_steps, len(lengths))
    by_length = sorted(range(len(lengths)), key=lengths.__getitem__)
    places = [by_length[(2 * n + 1) * len(lengths) // (2 * count)] for n in range(count)]
    batches = [places[start : start + size] for start in range(0, count, size)]
    with _without_trace(trainer), trainer.accelerator.autocast(), phase("training"):
        model.train()
        began = 0.0
        for batch in [batches[0], *batches]:
            trainer.backward(trainer.compute_loss(model, trainer.inputs_of([rows[place] for place in batch])))
            began = began or time.perf_counter()
    return sum(lengths[place] for place in places) / (time.perf_counter() - began)


@contextmanager
def _without_trace(trainer: Trainer) -> Iterator[None]:
    """Leave no gradients, counts and draws of random numbers behind."""
    with torch.random.fork_rng(devices=_devices()):
        yield
    trainer.model.zero_grad(set_to_none=True)
    trainer.forget()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _devices() -> list[int]:
    """The GPU whose random state a rehearsal moves; torch warns of keeping that of all."""
    return [torch.cuda.current_device()] if torch.cuda.is_available() else []


def _largest(trainer: Trainer, rows: Rows, count: int) -> Batch:
    """A batch of the longest rows, on the trainer's device."""
    lengths = rows["length"][:]  # at once; row by row takes 0.2 ms each
    longest = sorted(range(len(lengths)), key=lambda index: lengths[index], reverse=True)[:count]
    return trainer.inputs_of([rows[index] for index in longest])
