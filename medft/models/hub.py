"""A hub id or a local folder -> a checked local folder; every refusal of a hub -> one clear error.

Only safetensors, json, tokenizer and license files are taken, never a pickle. No message contains a token or
the text of a server's answer.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medft.config import did_you_mean, nearest
from medft.errors import EngineError, HubError, MedftError
from medft.files import read_json
from medft.models.folder import What, check_checkpoint
from medft.paths import expanded

CHECKPOINT_FILES = (
    "*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "LICENSE*", "NOTICE*", "USE_POLICY*",
)  # fmt: skip
"""What is fetched of a repository: weights as safetensors, configuration, tokenizer, license."""
NOT_WANTED = ("original/*", "consolidated*", "onnx/*", ".*")
"""Second copies of the same weights in formats that nothing here reads."""


def fetch(
    repo_or_path: str,
    revision: str | None = None,
    *,
    what: What = "model",
    patterns: Sequence[str] = CHECKPOINT_FILES,
) -> Path:
    """The local folder that holds a checkpoint: the folder itself, or the hub's snapshot in the cache.

    Args:
        repo_or_path: a local folder or a hub id ``owner/name``.
        revision: commit, tag or branch on the hub; None is its default branch. A folder has none.
        what: which kind of checkpoint the folder must hold.
        patterns: file name patterns to download (`fnmatch` style).

    Raises:
        HubError: the hub cannot be reached, or refuses, or lacks the repository or revision; or the disk is
            full.
        EngineError: the folder is not a checkpoint of that kind, is incomplete, or holds weights only as
            pickle.
    """
    folder = expanded(repo_or_path)
    if not folder.is_dir():
        _refuse_path(repo_or_path)
        folder = _download(repo_or_path, revision, patterns)
    check_checkpoint(folder, what)
    return folder


def local_folder(name: str) -> Path | None:
    """The folder of a checkpoint that needs no download; None where it would."""
    if expanded(name).is_dir():
        return expanded(name)
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(name, allow_patterns=list(CHECKPOINT_FILES), local_files_only=True)
    except (OSError, ValueError):  # not in the cache, or not a hub id
        return None
    return Path(found)


def configuration(repo: str, revision: str | None = None) -> dict[str, Any] | None:
    """The config.json of a hub repository, read without leaving a trace in the cache; None where it cannot be
    had now."""
    import tempfile

    from huggingface_hub import hf_hub_download

    try:
        with tempfile.TemporaryDirectory() as folder, hub_errors(repo, revision):
            check_access(repo)  # fails at once where no hub answers; the download would try for half a minute
            return dict(
                read_json(Path(hf_hub_download(repo, "config.json", revision=revision, local_dir=folder)))
            )
    except (HubError, EngineError, ValueError):
        return None


def check_access(repo: str) -> None:
    """Ask the hub, without downloading, whether this machine's token may read ``repo``.

    Says nothing when the hub is turned off (HF_HUB_OFFLINE), since then only the cache decides, nor for a
    local folder.

    Raises:
        EngineError: the path of a folder that is not there.
        HubError: unreachable, missing, or gated and not accepted.
    """
    from huggingface_hub import HfApi, constants

    if expanded(repo).is_dir():
        return
    _refuse_path(repo)
    if constants.is_offline_mode():
        return
    with hub_errors(repo):
        HfApi().auth_check(repo)


@contextlib.contextmanager
def hub_errors(repo: str, revision: str | None = None) -> Iterator[None]:
    """Turn whatever huggingface_hub raises inside the block into a `HubError` with a remedy.

    The original error is not chained: its text may quote a request.
    """
    import httpx
    from huggingface_hub import errors

    known = (
        httpx.HTTPError, errors.LocalEntryNotFoundError, errors.HFValidationError,
        errors.EntryNotFoundError, OSError,
    )  # fmt: skip
    try:
        yield
    except known as error:
        raise explain(error, repo, revision) from None


@contextlib.contextmanager
def without_queries() -> Iterator[None]:
    """Keep the query of addresses out of the library's warnings: a large file's is a pass to it."""

    def clean(record: logging.LogRecord) -> bool:
        record.msg, record.args = re.sub(r"\?\S+", "", record.getMessage()), ()
        return True

    loggers = [logging.getLogger(f"huggingface_hub.{name}") for name in ("utils._http", "lfs")]
    for logger in loggers:
        logger.addFilter(clean)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(clean)


def explain(error: Exception, repo: str, revision: str | None = None) -> MedftError:
    """The `HubError` for what huggingface_hub (or the disk) raised about ``repo``."""
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{repo}"
    if isinstance(error, errors.GatedRepoError):
        return HubError(
            f"'{repo}' is gated: its license must be accepted first",
            where=page,
            remedy=f"accept the terms on {page}, then `hf auth login` (or set HF_TOKEN)",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(
            f"'{repo}' has no revision '{revision}'", where=page, remedy=f"see {page}/commits/main"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        near = _similar(repo)
        return HubError(
            f"the hub has no repository '{repo}', or it is private" + did_you_mean(near),
            where=page,
            remedy="check the spelling; for a private one: `hf auth login`",
        )
    if isinstance(error, errors.HFValidationError):
        return HubError(f"'{repo}' is not a hub id", remedy="write owner/name, or an existing folder")
    if isinstance(error, errors.LocalEntryNotFoundError) and constants.is_offline_mode():
        return HubError(
            f"'{repo}' is not (completely) in the cache and the hub is turned off",
            where=f"{constants.HF_HUB_CACHE}, HF_HUB_OFFLINE=1",
            remedy=f"unset HF_HUB_OFFLINE, or copy the cache of a machine that ran `hf download {repo}`",
        )
    if isinstance(error, errors.HfHubHTTPError):
        return _explain_status(error.response.status_code, repo, page)
    if isinstance(error, OSError) and error.errno is not None:
        return _explain_disk(error, repo)
    cause = error.__cause__ if isinstance(error.__cause__, errors.HfHubHTTPError) else None
    if cause is not None:
        return _explain_status(cause.response.status_code, repo, page)
    return HubError(
        f"the hub cannot be reached ({type(error.__cause__ or error).__name__})",
        where=constants.ENDPOINT,
        remedy="check the network and HF_ENDPOINT; a folder needs no network: model=./folder",
    )


def refused(repo: str, how: str = "") -> HubError:
    """The hub knows who asks, or does not, and says no."""
    from huggingface_hub import constants

    return HubError(
        f"the hub refused access to '{repo}'{how}",
        where=f"{constants.ENDPOINT}/{repo}",
        remedy="`hf auth login` with a token that has this right (a fine-grained one lists repositories)",
    )


def _explain_status(status: int, repo: str, page: str) -> HubError:
    if status in (401, 403):
        return refused(repo, f" (status {status})")
    if status == 429:
        return HubError(
            "the hub says: too many requests (status 429)", where=page, remedy="wait some minutes and repeat"
        )
    return HubError(f"the hub answered with status {status}", where=page, remedy="repeat later")


def _explain_disk(error: OSError, repo: str) -> MedftError:
    from huggingface_hub import constants

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what, remedy = (
            f"the disk is full while fetching '{repo}'",
            "free space, or set HF_HOME to another disk",
        )
    else:
        what = f"the cache cannot be used while fetching '{repo}': {os.strerror(error.errno or 0)}"
        remedy = "make it writable, or set HF_HOME to a folder of yours"
    return HubError(what, where=str(constants.HF_HUB_CACHE), remedy=remedy)


def _similar(repo: str) -> str | None:
    """The most similar id that the hub finds for the same name; a hint, so a failing search gives none."""
    from huggingface_hub import HfApi

    try:
        found = HfApi().list_models(search=repo.rsplit("/", 1)[-1], limit=20)
        return nearest(repo, [model.id for model in found])
    except Exception:
        return None


def _refuse_path(name: str) -> None:
    """Refuse what can be no hub id: a folder was meant, and it is not there."""
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name or name.endswith("/"):
        raise EngineError(
            f"there is no folder '{name}'",
            remedy="give an existing folder, or a hub id of the form owner/name",
        )


def _download(repo: str, revision: str | None, patterns: Sequence[str]) -> Path:
    from huggingface_hub import constants, snapshot_download

    with hub_errors(repo, revision), without_queries():
        return Path(
            snapshot_download(
                repo,
                revision=revision,
                allow_patterns=list(patterns),
                ignore_patterns=list(NOT_WANTED),
                local_files_only=constants.is_offline_mode(),
            )
        )
