"""The inputs of training: a loaded model, its settings, and listeners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medft.engine.base import Engine, LoadSpec
from medft.models.causal_lm import AdaptedLM
from medft.prompt.tokenizer import Tokenizer
from medft.runs import RunDir
from medft.training.config import TrainerConfig

if TYPE_CHECKING:
    from medft.training.callbacks import Listener, ProgressBar, Stopper


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready to be trained."""

    model: AdaptedLM
    """Base and fresh adapter."""
    tokenizer: Tokenizer
    """Its tokenizer."""
    engine: Engine
    """What loaded it."""
    spec: LoadSpec
    """How it was loaded."""


@dataclass(frozen=True, slots=True)
class Training:
    """One training."""

    config: TrainerConfig
    """The training recipe."""
    seed: int
    """Seeds batch order, dropout and noise."""
    folder: RunDir
    """Where losses and checkpoints are written; an interrupted training goes on from what is there."""
    rehearse: bool = False
    """Whether the largest batches are run before step 1."""
    steps_at: Callable[[float], int] | None = None
    """How many steps to take at a speed, in tokens per second, that is measured before step 1 of a training
    that is not resumed; None where the recipe says it."""


@dataclass(frozen=True, slots=True)
class Watchers:
    """Who receives every line of losses."""

    bar: ProgressBar
    """Shows it."""
    stopper: Stopper
    """Stops on a signal, or on a loss that is not a number."""
    listeners: tuple[Listener, ...] = ()
    """Others, such as W&B."""
