"""What prevents a run (too little memory, disk or context), and what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from medft.engine import toolchain
from medft.format import size
from medft.machine import Gpu, Machine
from medft.models.registry import Dtype, ShapeConfig, projections
from medft.plan.disk import Disk
from medft.plan.fit import Memory, Recipe
from medft.plan.flops import peak_flops
from medft.plan.remedies import remedies
from medft.training.memory import Estimate

_HOUR, _DAY = 3_600.0, 86_400.0  # seconds
_SMALLER = "a smaller model (model=smollm2)"
_CERTAIN = 0.9  # the estimate is meant to be right within a tenth


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that prevents a run."""

    what: str
    """One sentence."""
    remedy: str
    """What to do, as overrides where overrides help."""
    certain: bool
    """Whether the run cannot succeed, rather than may not."""
    final: bool = False
    """Whether preflight=false refuses it too."""


def of_memory(
    recipe: Recipe, memory: Memory | None, offloads: bool, free: int, machine: Machine, divided: str = ""
) -> list[Problem]:
    """Too little memory, on the GPU or on the host.

    Args:
        recipe: what is to run.
        memory: what a recipe needs; None where that is not known.
        offloads: whether the engine can move activations to the host.
        free: bytes of memory free where the model will stand.
        machine: the rest of it.
        divided: how its GPUs would hold the base in shares; empty where that is no way.
    """
    if memory is None:
        return []
    return _device(recipe, memory, offloads, free, machine, divided) + _host(memory(recipe), machine)


def of_disk(room: Disk | None, free: int, artifacts: Path) -> list[Problem]:
    """Too little disk.

    Args:
        room: bytes to be written; None where that is not known.
        free: bytes free where runs are written.
        artifacts: that place.
    """
    if room is None or room.run <= free:
        return []
    return [
        Problem(
            f"the run writes {size(room.run)}, but the disk of {artifacts} has only {size(free)} free",
            "artifacts=<a folder on a larger disk>, merge=false, or trainer.save_total_limit=1",
            certain=True,
        )
    ]


def beyond_context(longest: int, context: int | None, exact: bool) -> list[Problem]:
    """Rows longer than the window of the base: Unsloth would cut them once more, and any other engine would
    train positions that the base has never seen.

    Args:
        longest: tokens of the longest row, as it is trained on or judged.
        context: the window; None where that is not known.
        exact: whether rows have been encoded, rather than taken to be as long as they may be.
    """
    if context is None or longest <= context:
        return []
    what = f"rows of up to {longest:,} tokens, but the base was trained on at most {context:,}"
    return [Problem(what, f"trainer.max_length={context}", certain=exact, final=exact)]


def of_layers(asked: Collection[str], shape: ShapeConfig | None) -> list[Problem]:
    """Layers for an adapter that a model of these sizes is not known to have.

    Args:
        asked: ``lora.target_modules``: names of layers, or the ends of their paths.
        shape: sizes of the model; None where they are not known.
    """
    known = projections(shape) if shape else {}
    strange = [name for name in asked if name.rpartition(".")[2] not in known]
    if not known or not strange:
        return []
    what = f"'lora.target_modules' names layers that this model seems not to have: {', '.join(strange)}"
    return [Problem(what, f"choose among {', '.join(known)}; null takes them all", certain=False)]


def of_driver(machine: Machine) -> list[Problem]:
    """A driver that torch's build of CUDA does not run on."""
    old = toolchain.outdated(machine)
    remedy = f"{toolchain.UPDATE}; {toolchain.PROCESSOR}"
    return [Problem(old, remedy, certain=True, final=True)] if old else []


def of_devices(used: Sequence[Gpu]) -> list[Problem]:
    """GPUs that cannot be used, that differ, or whose free memory is not known.

    Args:
        used: those that will train.
    """
    found = []
    if closed := [gpu.name for gpu in used if gpu.mode == "prohibited"]:
        found.append(
            Problem(f"{closed[0]} is in a compute mode that no process may use", "sudo nvidia-smi -c 0",
                    certain=True)
        )  # fmt: skip
    if unknown := [gpu for gpu in used if gpu.free_bytes is None]:
        what = f"the free memory of {unknown[0].name} is unknown: assuming all of it"
        found.append(Problem(what, "nvidia-smi shows what else is on it", certain=False))
    if len(kinds := sorted({gpu.name for gpu in used})) > 1:
        what = f"the GPUs differ ({', '.join(kinds)}): every step waits for the slowest"
        found.append(Problem(what, "CUDA_VISIBLE_DEVICES=<those of one kind>", certain=False))
    return found


def of_type(dtype: Dtype, used: Sequence[Gpu]) -> list[Problem]:
    """Arithmetic in float32, which the tensor cores of a card do not do.

    Args:
        dtype: compute type.
        used: GPUs that will train.
    """
    if dtype != "float32" or not used:
        return []
    name = used[0].name
    plain, fast = peak_flops(name, "float32"), peak_flops(name, "float16")
    factor = f"about {fast / plain:.0f} times slower" if plain and fast else "several times slower"
    what = f"{name} computes {factor} in float32 than in 16 bits (an estimate, from data sheets)"
    return [
        Problem(what, "a model that works in float16 (model=llama3_1), or a GPU with bfloat16", certain=False)
    ]


def slow(seconds: float | None, steps: int, small: bool, machine: Machine) -> list[Problem]:
    """A training of days without a GPU.

    Args:
        seconds: it will take; None where that is not known.
        steps: it has.
        small: whether the model is one for a CPU already.
        machine: that trains.
    """
    if seconds is None or machine.gpus or seconds <= _DAY:
        return []
    what = f"this training will take about {seconds / _DAY:.1f} days on this CPU"
    in_an_hour = int(steps * _HOUR / seconds)
    ways = [] if small else [_SMALLER]
    ways += [f"trainer.max_steps={in_an_hour} for an hour"] if in_an_hour else []
    return [Problem(what, ", ".join([*ways, "or a machine with a GPU"]), certain=False)]


def _device(
    recipe: Recipe, memory: Memory, offloads: bool, free: int, machine: Machine, divided: str
) -> list[Problem]:
    needs = memory(recipe)
    if needs.needed <= free:
        return []
    overrides, enough = remedies(recipe, free, memory, offloads)
    place = machine.gpus[0].name if machine.gpus else "this machine"
    phase = "validation" if needs.validating > needs.training else "training"
    advice = " ".join(overrides)
    if not enough:
        larger = "larger or more GPUs" if needs.gathered else "a larger GPU"
        larger = larger if machine.gpus else "a machine with more memory or a GPU"
        advice = f"{advice} is not enough: " * bool(advice) + f"{_SMALLER}, or {larger}"
    advice = f"{divided}; or {advice}" if divided else advice
    return [
        Problem(
            f"{phase} needs {size(needs.needed)} of memory, but {place} has only {size(free)} free",
            advice,
            certain=needs.needed * _CERTAIN > free,
        )
    ]


def _host(needs: Estimate, machine: Machine) -> list[Problem]:
    if needs.host <= machine.ram_available:
        return []
    return [
        Problem(
            f"the host needs about {size(needs.host)} of memory, but only "
            f"{size(machine.ram_available)} are free",
            "engine.gradient_checkpointing=standard keeps activations on the GPU",
            certain=False,
        )
    ]
