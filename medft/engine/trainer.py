"""Protocol of a built trainer, whatever its objective, and the result of a test."""
# ruff: noqa: D102 - most members are those of transformers and datasets

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, overload

from medft.models.causal_lm import CausalLM

if TYPE_CHECKING:
    import torch

EncodedRow = Mapping[str, Sequence[int]]
"""An encoded row: per column, one number a token."""
Batch = dict[str, "torch.Tensor"]
"""Rows put together, as a model takes them."""


class Rows(Protocol):
    """A ``datasets.Dataset`` of encoded rows."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, key: int) -> EncodedRow: ...
    @overload
    def __getitem__(self, key: str) -> Sequence[int]: ...


class Collate(Protocol):
    """Puts rows together."""

    def __call__(self, rows: Sequence[EncodedRow]) -> Batch: ...


class Measured(Protocol):
    """What a trainer counted while it trained, over all devices."""

    @property
    def loss(self) -> float:
        """Mean loss per trained token."""

    @property
    def bits_per_byte(self) -> float | None:
        """Bits per byte of the answers, or None where it is not known."""

    @property
    def real(self) -> float:
        """Tokens that are not padding."""

    @property
    def processed(self) -> float:
        """Tokens the model was given, padding included."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A held-out answer as base and tuned model find it."""

    base_nats: float
    """Cross-entropy of its tokens, stop token left out, without the adapter."""
    tuned_nats: float
    """The same with it."""
    size: float
    """Its UTF-8 bytes."""
    record: int
    """The place of its record among those of the split."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement of base and tuned model on the same rows."""

    base_loss: float
    """Mean loss per trained token, without the adapter."""
    base_bits_per_byte: float | None
    """Bits per byte of the answers; None where they are not known."""
    tuned_loss: float
    """As ``base_loss``, with the adapter."""
    tuned_bits_per_byte: float | None
    """As ``base_bits_per_byte``, with the adapter."""
    answers: tuple[Answer, ...]
    """Every answer; empty where bits per byte are not known."""


class Arguments(Protocol):
    """``transformers.TrainingArguments``."""

    per_device_train_batch_size: int
    per_device_eval_batch_size: int
    gradient_accumulation_steps: int
    load_best_model_at_end: bool


class TrainerState(Protocol):
    """``transformers.TrainerState``."""

    global_step: int
    best_model_checkpoint: str | None


class Accelerator(Protocol):
    """``accelerate.Accelerator``."""

    def autocast(self) -> AbstractContextManager[None]:
        """The types that a step is computed in."""


class Trainer(Protocol):
    """A ``transformers.Trainer`` with medft's exact counts."""

    model: CausalLM
    model_wrapped: CausalLM
    args: Arguments
    accelerator: Accelerator
    state: TrainerState
    train_dataset: Rows
    data_collator: Collate
    clock: dict[str, float]
    """Seconds that validation and the saving of checkpoints took."""
    bits_known: bool
    """Whether bits per byte can be told for this model."""

    def train(self, resume_from_checkpoint: str | None) -> object: ...
    def take(self, steps: int, eval_steps: int, save_steps: int) -> None:
        """Train for other steps than it was built for."""

    def test(self, rows: Rows) -> Judged:
        """Judge the tuned model and its base."""

    def compute_loss(self, model: CausalLM, inputs: Batch) -> torch.Tensor: ...
    def backward(self, loss: torch.Tensor) -> None: ...
    def inputs_of(self, rows: Sequence[EncodedRow]) -> Batch:
        """One batch, on the trainer's device."""

    def restore(self, checkpoint: Path) -> None:
        """Take state and weights from a checkpoint after which nothing is left to train."""

    def measured(self) -> Measured:
        """What was counted in training since the last call."""

    def forget(self) -> None:
        """Drop what was counted so far."""
