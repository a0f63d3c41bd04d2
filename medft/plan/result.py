"""The result of planning: recipe, steps, memory, disk, time and problems of a run, and the refusal if it
cannot run."""

from __future__ import annotations

from dataclasses import dataclass

from medft.aliases import Json
from medft.config import plain
from medft.errors import EngineError
from medft.format import count, duration, size
from medft.machine import Machine
from medft.plan.disk import Disk
from medft.plan.flops import peak_flops, utilisation
from medft.plan.problems import Problem
from medft.plan.rate import Rate
from medft.plan.resolve import Resolved
from medft.training.config import TrainerConfig
from medft.training.memory import Estimate
from medft.training.schedule import Schedule

_DECIDED = ("optimizer", "batch", "steps", "merge")


@dataclass(frozen=True, slots=True)
class Plan:
    """A training, before it begins."""

    resolved: Resolved
    """The decisions of this machine, with those that the plan added, and every reason."""
    trainer: TrainerConfig
    """The recipe as it will run."""
    schedule: Schedule
    """Steps, validations, checkpoints."""
    devices: int
    """GPUs, or processes, that share the rows of a step."""
    flops_per_token: float | None
    """Operations of an optimizer step per token; None where sizes are not known."""
    exact: bool
    """False where rows have not been encoded: figures are then what they can come to at most."""
    longest: int
    """Tokens of the longest training row."""
    tokens: int
    """Tokens trained on in all steps, padding left out."""
    padding_ratio: float
    """Processed over real tokens, expected."""
    memory: Estimate | None
    """Bytes on one device; None for an architecture whose sizes are not known."""
    memory_free: int
    """Bytes free there."""
    disk: Disk | None
    """Bytes to be written; None as above."""
    disk_free: int
    """Bytes free where runs are written."""
    seconds: float | None
    """Expected time; None where no run and no listed arithmetic tells it."""
    rate: Rate | None
    """What the time was told from."""
    problems: tuple[Problem, ...]
    """What prevents the run."""

    @property
    def line(self) -> str:
        """The plan in one line."""
        most = "" if self.exact else "at most "
        parts = [
            f"{self.schedule.steps:,} steps x {self.schedule.rows_per_step} rows",
            f"{most}{count(self.tokens)} tokens",
        ]
        parts += [f"{size(self.memory.needed)} of memory"] if self.memory else []
        parts += [f"about {duration(self.seconds)}"] if self.seconds is not None else []
        return ", ".join(parts)

    @property
    def decisions(self) -> list[str]:
        """What the plan decided beyond what was asked for, with the reasons."""
        return [self.resolved.reasons[name] for name in _DECIDED if name in self.resolved.reasons]

    def demand_room(self, preflight: bool = True) -> None:
        """Refuse a run that cannot succeed.

        Args:
            preflight: False refuses only what no setting makes up for.

        Raises:
            EngineError: with what to change.
        """
        for problem in self.problems:
            if problem.final:
                raise EngineError(problem.what, remedy=problem.remedy)
            if problem.certain and preflight:
                raise EngineError(problem.what, remedy=f"{problem.remedy}; preflight=false starts anyway")

    def utilisation(self, tokens_per_second: float, machine: Machine) -> float | None:
        """Model FLOPs utilisation at a measured speed (``flops``); None without a GPU whose peak is known."""
        if not machine.gpus or self.flops_per_token is None:
            return None
        peak = peak_flops(machine.gpus[0].name, self.resolved.dtype)
        return utilisation(tokens_per_second / self.devices, self.flops_per_token, peak)

    def to_json(self) -> Json:
        """The JSON of plan.json."""
        return {**plain(self), "memory_needed": self.memory.needed if self.memory else None}
