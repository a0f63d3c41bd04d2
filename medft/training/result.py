"""The result of a training run, as its summary takes it."""

from __future__ import annotations

from dataclasses import dataclass

from medft.engine.trainer import Judged


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a training run."""

    steps: int
    """Optimizer steps done, resumed ones included."""
    stopped_by: str
    """Empty when it ran to its end; else signal, early stopping or divergence, in words."""
    interrupted: bool
    """Whether a signal stopped it; it can then be resumed."""
    diverged: bool
    """Whether the loss stopped being a number."""
    best_step: int | None
    """The step whose weights were kept, where that is not the last."""
    tested: Judged | None
    """Base and tuned model on the test split; None without one."""
    seconds: float
    """Wall time, validation, saving and earlier halves included."""
    step_seconds: float
    """Wall time of optimizer steps in this process."""
    validation_seconds: float
    """Wall time of validation and test in this process."""
    saving_seconds: float
    """Wall time of writing checkpoints in this process."""
    tokens: int
    """Tokens trained on, padding left out."""
    tokens_per_second: float
    """In optimizer steps of this process, padding left out."""
    padding_ratio: float
    """Processed over real tokens; 1 is no padding."""
    peak_memory_bytes: int
    """On the GPU where there is one, else resident host memory."""
    bits_known: bool
    """Whether bits per byte could be told for this model."""
