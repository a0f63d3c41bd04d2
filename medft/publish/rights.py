"""Checks that the hub token may write to a repository before anything is sent.

The token is read by huggingface_hub itself; it is looked at here, and never handed on, printed or written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from medft.errors import HubError
from medft.publish.calls import again, refusals

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def check_rights(repos: list[str], private: bool) -> None:
    """Make sure, before a byte is sent, that the token is good and may write to each repository.

    Raises:
        HubError: switched off, no or bad token, no right to write there, or a public repository where a
            private one was asked for.
    """
    from huggingface_hub import HfApi, constants, get_token

    if constants.is_offline_mode():
        raise HubError("the hub is turned off", where="HF_HUB_OFFLINE=1", remedy="unset HF_HUB_OFFLINE")
    token = get_token()
    if token is None:
        raise HubError("there is no hub token on this machine", remedy="`hf auth login`, or set HF_TOKEN")
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise HubError("the hub token contains invalid characters", remedy="`hf auth login --force`")
    del token
    api = HfApi(token=True)
    with refusals(repos[0]):
        user = again(api.whoami)
    for repo in repos:
        _check_owner(repo, user)
        with refusals(repo):
            _check_repository(api, repo, private)


def _check_owner(repo: str, user: dict[str, object]) -> None:
    organizations = user.get("orgs")
    names = [str(user.get("name"))]
    names += [str(org.get("name")) for org in organizations] if isinstance(organizations, list) else []
    role = ((user.get("auth") or {}).get("accessToken") or {}).get("role")  # type: ignore[attr-defined]
    if role == "read":
        raise HubError("read-only token", where=f"repo={repo}", remedy="create a token with write access")
    owner = repo.partition("/")[0]
    if owner not in names:
        raise HubError(
            f"this token belongs to '{names[0]}' and cannot write to '{owner}'",
            where=f"repo={repo}",
            remedy=f"repo={names[0]}/{repo.partition('/')[2]}, or the token of a member of '{owner}'",
        )


def _check_repository(api: HfApi, repo: str, private: bool) -> None:
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = again(lambda: api.model_info(repo))
    except RepositoryNotFoundError:
        return  # it will be made
    again(lambda: api.auth_check(repo, write=True))
    if private and not info.private:
        raise HubError(
            f"'{repo}' exists already and is public, but a private repository was requested",
            remedy="private=false, or another name",
        )
