"""Training time at a known speed, and the number of steps that fit a time limit (``trainer.minutes``)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from medft.engine.base import Checkpointing
from medft.plan import lengths
from medft.plan.cost import PASSES
from medft.plan.lengths import Lengths
from medft.plan.rate import Rate
from medft.training.config import TrainerConfig
from medft.training.schedule import Schedule, schedule


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be trained on and judged."""

    trainer: TrainerConfig
    """The training recipe."""
    rows: Lengths
    """The rows."""
    devices: int
    """Processes that share the rows of a step."""
    checkpointing: Checkpointing
    """What is recomputed."""

    @property
    def sequences(self) -> int:
        """Rows, or packed sequences, of an epoch."""
        if self.trainer.packing:
            return lengths.sequences(self.rows.train, self.trainer.max_length)
        return len(self.rows.train)

    @property
    def schedule(self) -> Schedule:
        """Its steps."""
        return schedule(self.trainer, self.sequences, self.devices)

    @property
    def trained(self) -> int:
        """Tokens in all steps; exact for whole epochs, else the mean row counts."""
        steps, total = self.schedule, sum(self.rows.train)
        per_sequence = total / max(self.sequences, 1)
        per_epoch = -(-self.sequences // steps.rows_per_step)
        whole, rest = divmod(steps.steps, max(per_epoch, 1))
        return round(whole * total + rest * steps.rows_per_step * per_sequence)

    @property
    def judged(self) -> float:
        """Tokens of all validations, the one before step 1 included, and of the test, which base and tuned
        model both take."""
        times = 1 + self.schedule.steps // self.schedule.eval_steps
        validated = times * _some(self.rows.validation, self.trainer.validation_rows)
        return validated + 2 * _some(self.rows.test, self.trainer.test_rows)

    def seconds(self, rate: Rate) -> float:
        """How long it takes: judging is one pass, of the two or three of training."""
        return (self.trained + self.judged / PASSES[self.checkpointing]) / rate.tokens_per_second


def most_steps(work: Work, rate: Rate, minutes: float) -> int:
    """The most steps that fit ``minutes``, validation and test included: as many as the epochs of the recipe
    have at most, and one at least."""
    low, high = 1, work.schedule.steps
    while low < high:
        middle = (low + high + 1) // 2
        tried = replace(work, trainer=replace(work.trainer, max_steps=middle))
        low, high = (middle, high) if tried.seconds(rate) <= 60 * minutes else (low, middle - 1)
    return low


def _some(rows: tuple[int, ...], most: int | None) -> float:
    """Tokens of at most ``most`` of the rows, expected."""
    return sum(rows) * min(1.0, (most or len(rows)) / max(len(rows), 1))
