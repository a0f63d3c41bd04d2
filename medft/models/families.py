"""Families of models: folders with all that a hub repository holds beside its weights, at the size of a tiny
twin.

Shipped ones are conf/family/<name>/; one of the user's own is family/<name>/ in a folder given by
--config-dir, or any path.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from medft.config import did_you_mean, nearest
from medft.errors import ConfigError
from medft.paths import conf_dir, expanded

_OF_THE_MODEL = ("config.json", "generation_config.json")


def names() -> list[str]:
    """The families that medft ships."""
    return sorted(path.parent.name for path in conf_dir().glob("family/*/config.json"))


def folder_of(family: str) -> Path:
    """The folder of ``family``, a shipped one's name or a path.

    Raises:
        ConfigError: there is none.
    """
    for folder in (conf_dir() / "family" / family, expanded(family)):
        if (folder / "config.json").is_file():
            return folder
    near = nearest(family, names())
    raise ConfigError(
        f"there is no family '{family}'" + did_you_mean(near),
        where="model.family",
        remedy=f"one of {', '.join(names())}; or a folder of your own, family/<name>/ in a --config-dir",
    )


def copy_tokenizer(family: str, to: Path) -> None:
    """Copy the tokenizer of ``family``, with its chat template, into the folder ``to``."""
    for path in sorted(folder_of(family).iterdir()):
        if path.is_file() and path.name not in _OF_THE_MODEL:
            shutil.copyfile(path, to / path.name)
