"""Which folders a run trains on and merges into: the real checkpoints, or a tiny twin's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medft.errors import ConfigError
from medft.models.hub import fetch
from medft.models.registry import ModelConfig


@dataclass(frozen=True, slots=True)
class Base:
    """A base model to train on."""

    folder: Path
    """Weights to load, 4-bit or 16-bit."""
    name: str
    """What loaders find it by: a hub id, or the folder where it is local."""
    tiny: bool
    """Whether it is a tiny twin."""


def training_base(
    model: ModelConfig, scale: Literal["full", "tiny"], load_in_4bit: bool, artifacts: Path
) -> Base:
    """The checkpoint to train on, fetched or built where it is not at hand.

    A base that is not to be held in 4 bits comes from the 16-bit checkpoint, since a pre-quantised one would
    be loaded in 4 bits whatever is asked for.

    Raises:
        HubError, EngineError: as ``fetch``.
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
    if load_in_4bit:
        return _fetched(model.base, model.revision)
    return _fetched(*_sixteen(model))


def merging_base(model: ModelConfig, scale: Literal["full", "tiny"], artifacts: Path) -> Base:
    """The 16-bit checkpoint of the same weights, to merge into.

    Raises:
        HubError, EngineError: as ``fetch``.
    """
    if scale == "tiny":
        return training_base(model, scale, load_in_4bit=False, artifacts=artifacts)
    return _fetched(*_sixteen(model))


def _sixteen(model: ModelConfig) -> tuple[str, str | None]:
    if model.base_16bit is None:
        return model.base, model.revision
    return model.base_16bit, model.revision_16bit


def _fetched(name: str, revision: str | None) -> Base:
    return Base(fetch(name, revision), name, tiny=False)
