"""Pins hub data sets to a commit: the one in the settings, or the one that was found first.

A branch of a hub moves without notice, and two runs of one week would compare models of different rows.
So the commit is written down when a data set is first obtained, in ``hub.json`` beside the prepared data, and
every ledger names it; when the branch has moved since, the user decides which of the two is meant.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medft.data.cache import lock
from medft.data.config import DatasetConfig
from medft.data.readers.registry import HUB
from medft.errors import DataError, HubError
from medft.files import read_json, write_json

FILE = "hub.json"
"""``owner/name@branch`` -> the commit it stood for."""


def pinned(config: DatasetConfig, folder: Path) -> DatasetConfig:
    """``config`` with the commit instead of every branch or tag of a hub data set.

    Args:
        config: a data set or a mixture.
        folder: where the commits are remembered.

    Raises:
        DataError: a branch or tag no longer stands for the commit that was first obtained.
        HubError: a hub that cannot be reached or refuses.
    """
    members = {
        name: _pinned(member, folder, f"dataset.sources.{name}") for name, member in config.sources.items()
    }
    return replace(_pinned(config, folder, "dataset"), sources=members)


def _pinned(config: DatasetConfig, folder: Path, setting: str) -> DatasetConfig:
    from medft.data.readers import hub

    if config.reader != HUB or hub.COMMIT.fullmatch(config.revision or ""):
        return config
    name, path = f"{config.repo}@{config.revision or 'main'}", folder / FILE
    with lock(folder / f".{FILE}.lock"):
        commits = read_json(path) if path.exists() else {}
        first = commits.get(name)
        try:
            found = hub.commit(config)
        except HubError:
            if first is None:
                raise
            found = first  # rows of that commit may be prepared already, and no others will do
        if first not in (None, found):
            raise DataError(
                "the data set has changed on the hub since it was first downloaded",
                where=f"{name} was commit {first}, now it is {found}",
                remedy=f"{setting}.revision={first} keeps your rows, "
                f"{setting}.revision={found} takes the new rows",
            )
        write_json(path, {**commits, name: found})
    return replace(config, revision=found)
