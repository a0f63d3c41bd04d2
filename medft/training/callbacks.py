"""Trainer callbacks: loss.csv, the progress bar, a clean stop.

These callbacks read what the trainer counted and never touch the model.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Never, TextIO

from transformers import TrainerCallback

from medft import ranks
from medft.signals import answered
from medft.training.losslog import LossLog, LossRow, Split

if TYPE_CHECKING:
    from tqdm import tqdm
    from transformers import TrainerControl, TrainerState

    from medft.engine.trainer import Trainer

Listener = Callable[[LossRow], None]
Figures = dict[str, float]
"""What a trainer logs, by name."""
_STOPPING = b"\n  stopping after this step; Ctrl-C again stops at once\n"


@dataclass(slots=True)
class Totals:
    """Sums over the run, for the summary."""

    seconds: float = 0.0
    """Wall time of training, validation and saving included."""
    step_seconds: float = 0.0
    """Wall time of optimizer steps alone."""
    real: float = 0.0
    """Tokens that are not padding."""
    processed: float = 0.0
    """Tokens the model was given, padding included."""
    session_real: float = 0.0
    """``real`` since this process began (a resumed run starts its rates afresh)."""


class Recorder(TrainerCallback):  # type: ignore[misc]
    """Turns every log and validation of the trainer into a line of loss.csv, and hands it to listeners.

    Args:
        log: where lines go; None where another process writes them.
        listeners: called with each line (progress bar, W&B); they must not raise.
    """

    def __init__(self, log: LossLog | None, listeners: list[Listener]) -> None:
        self.trainer: Trainer | None = None
        self.totals = Totals()
        self._log = log
        self._listeners = listeners
        last = log.last if log else None
        if last:
            self.totals.seconds, self.totals.real = float(last["seconds"]), float(last["tokens"])
        self._offset = self.totals.seconds
        self._began = self._step_began = time.perf_counter()

    def on_train_begin(self, *args: object, **kwargs: object) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_step_begin(self, *args: object, **kwargs: object) -> None:
        """Note when the step began."""
        self._step_began = time.perf_counter()

    def on_step_end(self, args: object, state: object, control: TrainerControl, **kwargs: object) -> None:
        """Add the step's wall time; ask for a line at every checkpoint, so that none spans two halves of a
        run."""
        self.totals.step_seconds += time.perf_counter() - self._step_began
        control.should_log = control.should_log or control.should_save

    def on_log(
        self, args: object, state: TrainerState, control: object, logs: Figures, **kwargs: object
    ) -> None:
        """A line of training loss: the token-weighted mean since the last one."""
        if "loss" not in logs or self.trainer is None:
            return
        reading = self.trainer.measured()
        self.totals.real += reading.real
        self.totals.session_real += reading.real
        self.totals.processed += reading.processed
        self._write(state, "train", reading.loss, reading.bits_per_byte, logs)

    def on_evaluate(
        self, args: object, state: TrainerState, control: object, metrics: Figures, **kwargs: object
    ) -> None:
        """A line of validation (or test) loss."""
        split: Split = "test" if "test_loss" in metrics else "validation"
        prefix = "test" if split == "test" else "eval"
        self._write(state, split, metrics[f"{prefix}_loss"], metrics[f"{prefix}_bits_per_byte"], {})

    def _write(
        self, state: TrainerState, split: Split, loss: float, bits: float | None, logs: Figures
    ) -> None:
        self.totals.seconds = self._offset + time.perf_counter() - self._began
        norm = logs.get("grad_norm")
        row = LossRow(
            step=state.global_step,
            epoch=round(state.epoch or 0.0, 6),
            split=split,
            loss=loss,
            bits_per_byte=bits,
            learning_rate=logs.get("learning_rate"),
            grad_norm=None if norm is None else float(norm),
            tokens=int(self.totals.real),
            seconds=round(self.totals.seconds, 3),
        )
        if self._log is not None:
            self._log.write(row)
        for listener in self._listeners:
            listener(row)


class ProgressBar(TrainerCallback):  # type: ignore[misc]
    """One bar for the whole run, with the time left, the losses and the speed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[Never] | None = None
        self._fields: dict[str, str] = {}
        self._first: LossRow | None = None

    def on_train_begin(self, args: object, state: TrainerState, control: object, **kwargs: object) -> None:
        """Draw the empty bar."""
        from tqdm import tqdm

        self._bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            file=self._stream,
            disable=not state.is_world_process_zero,
            mininterval=0.2 if self._stream.isatty() else 15,  # a log file wants few lines
            dynamic_ncols=True,
            bar_format="  {n_fmt}/{total_fmt} [{bar:18}] {elapsed}<{remaining}{postfix}",
        )

    def on_step_end(self, args: object, state: TrainerState, control: object, **kwargs: object) -> None:
        """Advance."""
        if self._bar is not None:
            self._bar.update(state.global_step - self._bar.n)

    def on_train_end(self, *args: object, **kwargs: object) -> None:
        """Leave the finished bar standing."""
        if self._bar is not None:
            self._bar.close()

    def show(self, row: LossRow) -> None:
        """Put the newest figures beside the bar."""
        self._first = self._first or row
        key = {"train": "step loss", "validation": "validation", "test": "test"}[row.split]
        self._fields[key] = f"{row.loss:.3f}"
        if row.bits_per_byte is not None:
            self._fields["bits/byte"] = f"{row.bits_per_byte:.3f}"
        elapsed = row.seconds - self._first.seconds
        if elapsed > 0:
            self._fields["tok/s"] = f"{(row.tokens - self._first.tokens) / elapsed:,.0f}"
        if self._bar is not None:
            self._bar.set_postfix_str(" ".join(f"{k} {v}" for k, v in self._fields.items()), refresh=False)


class Stopper(TrainerCallback):  # type: ignore[misc]
    """The first Ctrl-C (or SIGTERM, SIGUSR1, or SIGHUP of a closed terminal) finishes the step, saves and
    stops; a further Ctrl-C stops at once.

    Also stops on a loss that is not a number, which no further step can mend.

    Args:
        stream: where the first signal is answered at once.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self.signal: int | None = None
        self.diverged_at: int | None = None

    def on_step_end(self, args: object, state: object, control: TrainerControl, **kwargs: object) -> None:
        """Ask the trainer to save and stop, if a signal came to this process or one that trains with it."""
        if ranks.any_of(self.signal is not None):
            self.signal = self.signal or signal.SIGTERM
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False
        elif self.diverged_at is not None:
            control.should_training_stop = True

    def watch(self, row: LossRow) -> None:
        """Note a loss that is not finite."""
        if row.split == "train" and not math.isfinite(row.loss) and self.diverged_at is None:
            self.diverged_at = row.step

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Catch what asks the process to end within the block."""
        with answered(self._note):
            yield

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return  # a scheduler repeats itself; it kills when its patience is over
        self.signal = number
        if self._stream is not None:  # a handler may interrupt a print: write to the file itself
            with contextlib.suppress(OSError):  # the terminal is gone
                os.write(self._stream.fileno(), _STOPPING)
