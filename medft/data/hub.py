"""Data sets of a model hub -> rows.

Owns how a repository is fetched and which error a refusal becomes. Knows nothing of what a column means.

The files go through the hub's own cache (``HF_HOME``), so that a second run needs no network; ``HF_ENDPOINT``
names another hub. Repositories with loading scripts are refused: no code of a repository is ever run.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from medft.data.config import DatasetConfig
from medft.data.sources import SPLITS, Row, Rows
from medft.errors import DataError, HubError


def read(config: DatasetConfig) -> Rows:
    """The rows of all splits of a hub data set.

    Raises:
        HubError: the hub cannot be reached, or refuses the repository.
        DataError: the repository has no such revision, configuration or readable files.
    """
    for name, split in _load(config.repo or "", config.config_name, config.revision).items():
        for number, values in enumerate(split, 1):
            yield Row(f"{config.repo} {name} row {number}", values, SPLITS.get(name.lower(), ""))


def fingerprint(config: DatasetConfig) -> str:
    """The fingerprints of the loaded splits: they follow the files' own checksums on the hub."""
    splits = _load(config.repo or "", config.config_name, config.revision)
    return ",".join(f"{name}:{split._fingerprint}" for name, split in sorted(splits.items()))


@lru_cache(maxsize=8)
def _load(repo: str, config_name: str | None, revision: str | None) -> dict[str, Any]:
    import datasets
    from httpx import HTTPError
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if not repo:
        raise DataError("a hub data set needs a repository", remedy="dataset.repo=<owner/name>")
    where = f"data set {repo}" + (f" at {revision}" if revision else "")
    datasets.disable_progress_bars()
    try:
        loaded: dict[str, Any] = datasets.load_dataset(repo, config_name, revision=revision)
        return loaded
    except GatedRepoError as error:
        remedy = "accept its terms on the hub, then set HF_TOKEN"
        raise HubError("the data set is gated", where=where, remedy=remedy) from error
    except (datasets.exceptions.DatasetNotFoundError, RepositoryNotFoundError) as error:
        gated = "gated" in str(error)
        raise HubError(
            "the data set is gated"
            if gated
            else "the hub has no such data set or revision, or it is private",
            where=where,
            remedy="accept its terms on the hub, then set HF_TOKEN"
            if gated
            else "check dataset.repo, or set HF_TOKEN",
        ) from error
    except (HTTPError, OSError) as error:
        if constants.HF_HUB_OFFLINE:
            what, remedy = (
                "the data set is not in the cache, and HF_HUB_OFFLINE is set",
                "unset HF_HUB_OFFLINE",
            )
        else:
            what, remedy = "the hub cannot be reached", "check the network and HF_ENDPOINT"
        remedy += ", or use a file: dataset=csv dataset.path=..."
        raise HubError(what, where=where, remedy=remedy) from error
    except (ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"the data set cannot be read: {type(error).__name__}", where=where) from error
