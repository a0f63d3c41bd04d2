"""Sending a staged folder to a hub repository: one commit at the end, repeatable.

The hub keeps every large file that has arrived under its hash, so that the same command, repeated after an
interruption, sends only what is missing: whole shards over HTTP, where files above 5 GB go in parts; smaller
pieces over Xet, which huggingface_hub takes where the hub offers it, unless HF_HUB_DISABLE_XET=1. All files
appear in the repository in one commit or not at all. The token is read by huggingface_hub itself and never
handed on, printed or written.

Tested against a hub on this machine over HTTP; Xet's own path is not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medft.models.hub import without_queries
from medft.publish.calls import Say, again, refusals
from medft.publish.package import Package

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def send(package: Package, *, private: bool, say: Say = lambda _: None) -> str:
    """Make the repository if needed, send the files, commit them together; returns the commit's address.

    Raises:
        HubError: refused or interrupted. What had arrived is not sent again when the command is repeated.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(token=True)
    operations = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=package.folder / name)
        for name, _ in package.files
    ]
    message = f"Add {', '.join(sorted({Path(name).parts[0] for name, _ in package.files}))}"
    with refusals(package.repo), without_queries():
        _create(api, package.repo, private, say)
        commit = again(lambda: api.create_commit(package.repo, operations, commit_message=message), say)
    return str(commit.commit_url)


def _create(api: HfApi, repo: str, private: bool, say: Say) -> None:
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    try:
        again(lambda: api.model_info(repo), say)
    except RepositoryNotFoundError:
        try:
            again(lambda: api.create_repo(repo, private=private), say, but=(409,))
        except HfHubHTTPError as error:
            if error.response.status_code != 409:  # it exists: made by an attempt whose answer was lost
                raise
