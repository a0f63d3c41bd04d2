"""How fast this machine trains: like the newest run that resembles a plan, or as its processor suggests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medft.aliases import Json
from medft.errors import RunError
from medft.machine import Machine
from medft.runs import RunDir, all_runs
from medft.runs.record import RunRecord
from medft.runs.values import mapping, number

_VALIDATION_PER_TOKEN = 1 / 3  # a forward pass, of forward and backward
_CPU_SHARE = 0.8  # of the speed of its matrix products that a training of a real model reaches on a CPU


@dataclass(frozen=True, slots=True)
class Rate:
    """A measured speed."""

    tokens_per_second: float
    """In optimizer steps, padding left out."""
    run: str
    """The run it was measured in, or what it was reckoned from."""

    def seconds(self, trained: float, validated: float) -> float:
        """How long so many tokens take to train on and to validate."""
        return (trained + validated * _VALIDATION_PER_TOKEN) / self.tokens_per_second


def last_rate(artifacts: Path, machine: Machine, like: Json) -> Rate | None:
    """The rate of the newest finished run on the same kind of machine whose summary agrees with ``like``.

    Args:
        artifacts: where runs are.
        machine: this one; a run counts if it had the same GPUs, or as many cores and no GPU.
        like: keys of summary.json: model, engine, scale.
    """
    return next((rate for run in all_runs(artifacts) if (rate := _rate(run, machine, like))), None)


def reckoned(speed: float, flops_per_token: float, passes: float, padding: float) -> Rate:
    """The rate that a processor's speed lets expect.

    Args:
        speed: of its matrix products, in operations per second.
        flops_per_token: of a training step without recomputation.
        passes: forward and backward, 2, or with recomputation 3.
        padding: processed over real tokens.
    """
    per_token = flops_per_token * passes / 2 * padding
    return Rate(_CPU_SHARE * speed / per_token, "a measurement of this processor")


def _rate(run: RunDir, machine: Machine, like: Json) -> Rate | None:
    record = RunRecord(run)
    try:
        summary, cores = record.summary, mapping(record.environment, "machine").get("cpu_cores")
    except RunError:  # a damaged folder, or a newer one, has nothing to say
        return None
    same = (record.gpus or cores) == ([gpu.name for gpu in machine.gpus] or machine.cpu_cores)
    speed = number(summary, "tokens_per_second") or 0.0
    if not same or speed <= 0 or any(summary.get(key) != value for key, value in like.items()):
        return None
    return Rate(speed, run.name)
