"""Data sets of a model hub -> rows.

The files go through the hub's own cache (``HF_HOME``), so that a second run needs no network; ``HF_ENDPOINT``
names another hub. Repositories with loading scripts are refused: no code of a repository is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from medft.data.config import DatasetConfig
from medft.data.readers.rows import SPLIT_SYNONYMS, SourceRow, SourceRows
from medft.errors import DataError, HubError

if TYPE_CHECKING:
    from datasets import DatasetBuilder

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A revision that can never mean other rows; a branch or tag can."""


def read(config: DatasetConfig) -> SourceRows:
    """The rows of all splits of a hub data set.

    Raises:
        HubError: the hub cannot be reached, or refuses the repository.
        DataError: the repository has no such revision, configuration or readable files.
    """
    with _explained(config):
        builder = _builder(config.repo or "", config.config_name, config.revision)
        builder.download_and_prepare()
        splits = builder.as_dataset()
    for name, rows in splits.items():
        split = SPLIT_SYNONYMS.get(name.lower(), "")
        for number, values in enumerate(rows, 1):
            yield SourceRow(f"{config.repo} {name} row {number}", values, split)


def commit(config: DatasetConfig) -> str:
    """The commit that ``revision`` stands for: by the hub, or by the cached copy when there is no hub.

    Raises:
        HubError, DataError: as for ``read``.
    """
    with _explained(config):
        return str(_builder(config.repo or "", config.config_name, config.revision).hash)


@lru_cache(maxsize=16)
def _builder(repo: str, config_name: str | None, revision: str | None) -> DatasetBuilder:
    import datasets

    if not repo:
        raise DataError("a hub data set needs a repository", remedy="dataset.repo=<owner/name>")
    datasets.disable_progress_bars()
    builder = datasets.load_dataset_builder(repo, config_name, revision=revision)
    if COMMIT.fullmatch(revision or "") and builder.hash != revision:  # datasets takes the latest it has
        raise ConnectionError("the cache has a different commit")
    return builder


@contextmanager
def _explained(config: DatasetConfig) -> Iterator[None]:
    """What the libraries below raise, as errors with place and remedy."""
    import datasets
    from httpx import HTTPError
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    where = f"data set {config.repo}" + (f" at {config.revision}" if config.revision else "")
    gated = HubError(
        "the data set is gated", where=where, remedy="accept its terms on the hub, then set HF_TOKEN"
    )
    try:
        yield
    except GatedRepoError as error:
        raise gated from error
    except (datasets.exceptions.DatasetNotFoundError, RepositoryNotFoundError) as error:
        if "gated" in str(error):
            raise gated from error
        what = "the hub has no such data set or revision, or it is private"
        remedy = "check dataset.repo and dataset.revision, or set HF_TOKEN"
        raise HubError(what, where=where, remedy=remedy) from error
    except (HTTPError, OSError) as error:
        what, remedy = "the hub cannot be reached", "check the network and HF_ENDPOINT"
        if constants.HF_HUB_OFFLINE:
            what, remedy = (
                "the data set is not cached, and HF_HUB_OFFLINE is set",
                "unset HF_HUB_OFFLINE",
            )
        remedy += ", or read a copy of its files: dataset.reader=jsonl dataset.path=..."
        raise HubError(what, where=where, remedy=remedy) from error
    except (ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"the data set cannot be read: {type(error).__name__}", where=where) from error
