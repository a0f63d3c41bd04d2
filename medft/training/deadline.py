"""Ends training that runs far beyond its minutes, on a machine slower than the plan expected."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from transformers import TrainerCallback

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState

LATE = 1.25
"""Share of ``trainer.minutes`` after which training ends wherever it is; other work makes it late."""


class Deadline(TrainerCallback):  # type: ignore[misc]
    """Ends the training after the step in which its time is up, validated and saved as at its planned end.

    Args:
        minutes: that it was planned for.
    """

    def __init__(self, minutes: float) -> None:
        self.passed = False
        self._seconds = 60 * minutes * LATE
        self._began = time.perf_counter()

    def on_train_begin(self, *args: object, **kwargs: object) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_step_end(
        self, args: object, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Ask the trainer to validate, save and stop, if it is late."""
        if state.global_step < state.max_steps and time.perf_counter() - self._began > self._seconds:
            self.passed = True
            control.should_evaluate = control.should_save = control.should_training_stop = True
