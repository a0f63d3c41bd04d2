"""Where the check of merged weights will run; reported before step 1, since the check comes last."""

from __future__ import annotations

from medft.format import size
from medft.machine import Machine
from medft.models.registry import ShapeConfig, parameters

SPARE = 1.25
"""Memory of the check over the bytes of the weights: activations, and what is kept of answers."""
_SIXTEEN_BITS = 2


def not_on_the_gpu(shape: ShapeConfig, free: int, machine: Machine) -> str:
    """What becomes of the check where the card is too small for 16-bit weights; empty where it is not.

    Args:
        shape: of the base.
        free: bytes on the GPU, when nothing else of this run is there.
        machine: with that GPU.
    """
    needed = _SIXTEEN_BITS * parameters(shape) * SPARE
    if needed < free:
        return ""
    how = "runs on the CPU, which may take hours"
    if needed >= machine.ram_available:
        how = "compares only the weights, not the answers"
    has = f"{machine.gpus[0].name} has {size(free)} and the host {size(machine.ram_available)} free"
    return f"the check of merged/ {how}: answers need {size(needed)} of memory, and {has}"
