"""Training speed of this machine: that of the newest similar run, or an estimate from its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medft.aliases import Json
from medft.errors import RunError
from medft.machine import Machine
from medft.models.registry import Dtype
from medft.plan.cost import EFFICIENCY
from medft.plan.flops import peak_flops
from medft.runs import RunDir, all_runs
from medft.runs.record import RunRecord
from medft.runs.values import mapping, number

_CPU_SHARE = 1.1
"""Share of the measured speed of matrix products that training a real model reaches on a CPU: above 1, since
prompts never reach the output layer."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A speed, measured or reckoned."""

    tokens_per_second: float
    """In optimizer steps, padding left out."""
    run: str
    """The run it was measured in, or what it was reckoned from."""

    @property
    def words(self) -> str:
        """For people: "210 tokens/s as in mistral-x-y/20260101-000000"."""
        digits = 0 if self.tokens_per_second >= 10 else 1
        return f"{self.tokens_per_second:,.{digits}f} tokens/s as in {self.run}"


def last_rate(artifacts: Path, machine: Machine, like: Json) -> Rate | None:
    """The rate of the newest finished run on the same kind of machine whose summary agrees with ``like``.

    Args:
        artifacts: where runs are.
        machine: this one; a run counts if it had the same GPUs, or as many cores and no GPU.
        like: keys of summary.json: model, engine, scale.
    """
    return next((rate for run in all_runs(artifacts) if (rate := _rate(run, machine, like))), None)


def on_cpu(speed: float, flops_per_pass: float, work: float) -> Rate:
    """The rate that a processor's speed lets expect.

    Args:
        speed: of its matrix products, in operations per second.
        flops_per_pass: operations of a token's way through the model once, without attention.
        work: what a real token costs, as ``cost`` counts: tokens processed, times their passes.
    """
    return Rate(_CPU_SHARE * speed / (flops_per_pass * work), "a measurement of this processor")


def on_gpus(machine: Machine, dtype: Dtype, devices: int, flops_per_pass: float, work: float) -> Rate | None:
    """The rate that the arithmetic of the GPUs lets expect, recomputation counted as work; None where it is
    not listed (``flops``). Of Llama-2-7B on an A100, LLaMA-Factory publishes 2,556 to 4,050 tokens a second,
    and this says 2,600; expect it to be right within a factor of two.

    Args:
        machine: with a GPU.
        dtype: compute type.
        devices: GPUs that train together.
        flops_per_pass: as for ``on_cpu``.
        work: as for ``on_cpu``.
    """
    name = machine.gpus[0].name
    peak = peak_flops(name, dtype)
    if peak is None:
        return None
    from_what = f"an estimate (not measured): {EFFICIENCY:.0%} of the arithmetic of {name} in {dtype}"
    return Rate(devices * EFFICIENCY * peak / (flops_per_pass * work), from_what)


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
