"""Sending a staged folder to a hub repository: everything checked first, one commit at the end, repeatable.

Owns the checks of token and rights, and what is tried again. Knows nothing of runs.

The hub keeps every large file that has arrived under its hash, so that the same command, repeated after an
interruption, sends only what is missing. All files appear in the repository in one commit or not at all. The
token is read by huggingface_hub itself; it is looked at here, and never handed on, printed or written.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from medft.errors import HubError
from medft.models.hub import explain, hub_errors
from medft.publish.package import Package

if TYPE_CHECKING:
    from huggingface_hub import HfApi

T = TypeVar("T")
Say = Callable[[str], None]
"""Told of every step that takes long and of everything that is tried again."""

ATTEMPTS = 5
LONGEST_WAIT = 300.0
"""Seconds; when a hub asks for more, an error says so instead of an hour of silence."""
TRANSIENT = (408, 409, 429, 500, 502, 503, 504)
"""409: another commit was being made at that moment."""


def check_rights(repos: list[str], private: bool) -> None:
    """Make sure, before a byte is sent, that the token is good and may write to each repository.

    Raises:
        HubError: switched off, no or bad token, no right to write there, or a public repository where a
            private one was asked for.
    """
    from huggingface_hub import HfApi, constants, get_token

    if constants.is_offline_mode():
        raise HubError("the hub is switched off", where="HF_HUB_OFFLINE=1", remedy="unset HF_HUB_OFFLINE")
    token = get_token()
    if token is None:
        raise HubError("there is no hub token on this machine", remedy="`hf auth login`, or set HF_TOKEN")
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise HubError("the hub token holds characters that no token has", remedy="`hf auth login --force`")
    del token
    api = HfApi(token=True)
    with _hub(repos[0]):
        user = _again(api.whoami)
    for repo in repos:
        _check_owner(repo, user)
        with _hub(repo):
            _check_repository(api, repo, private)


def _check_owner(repo: str, user: dict[str, object]) -> None:
    organisations = user.get("orgs")
    names = [str(user.get("name"))]
    names += [str(org.get("name")) for org in organisations] if isinstance(organisations, list) else []
    role = ((user.get("auth") or {}).get("accessToken") or {}).get("role")  # type: ignore[attr-defined]
    if role == "read":
        raise HubError("this token may only read", where=f"repo={repo}", remedy="make one that may write")
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
        info = _again(lambda: api.model_info(repo))
    except RepositoryNotFoundError:
        return  # it will be made
    _again(lambda: api.auth_check(repo, write=True))
    if private and not info.private:
        raise HubError(
            f"'{repo}' exists already and is public, but a private one was asked for",
            remedy="private=false, or another name",
        )


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
    with _hub(package.repo), _without_queries():
        _create(api, package.repo, private, say)
        commit = _again(lambda: api.create_commit(package.repo, operations, commit_message=message), say)
    return str(commit.commit_url)


def _create(api: HfApi, repo: str, private: bool, say: Say) -> None:
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    try:
        _again(lambda: api.model_info(repo), say)
    except RepositoryNotFoundError:
        try:
            _again(lambda: api.create_repo(repo, private=private), say, but=(409,))
        except HfHubHTTPError as error:
            if error.response.status_code != 409:  # it exists: made by an attempt whose answer was lost
                raise


def _again(step: Callable[[], T], say: Say = lambda _: None, but: tuple[int, ...] = ()) -> T:
    """Run ``step``; repeat it after a failure that passes (exponential waits, or what Retry-After says)."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return step()
        except Exception as error:
            wait = _wait(error, attempt, but)
            if wait is None or attempt == ATTEMPTS:
                raise
            say(f"the hub did not answer as it should; again in {wait:.0f} s ({attempt} of {ATTEMPTS - 1})")
            time.sleep(wait)
    raise AssertionError("unreachable")


def _wait(error: Exception, attempt: int, but: tuple[int, ...]) -> float | None:
    """Seconds to wait before trying again; None when that is pointless."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        if error.response.status_code not in TRANSIENT or error.response.status_code in but:
            return None
        asked = error.response.headers.get("Retry-After", "")
        seconds = float(asked) if re.fullmatch(r"\d+", asked) else float(2**attempt)
        return seconds if seconds <= LONGEST_WAIT else None
    return float(2**attempt) if isinstance(error, httpx.TransportError) else None


@contextlib.contextmanager
def _hub(repo: str) -> Iterator[None]:
    """`hub_errors`, and what huggingface_hub raises besides while it sends: a RuntimeError around the failure
    of a large file, a ValueError for metadata or an answer that cannot be read."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    with hub_errors(repo):
        try:
            yield
        except (HfHubHTTPError, HFValidationError):
            raise
        except RuntimeError as error:
            if not isinstance(error.__cause__, Exception):
                raise
            refused = explain(error.__cause__, repo)
            raise HubError(
                f"the upload broke off: {refused.what}",
                where=refused.where,
                remedy="repeat the same command: what has arrived is not sent again",
            ) from None
        except ValueError:
            raise HubError(
                "the hub refused the card's metadata, or its answer cannot be read",
                where=repo,
                remedy="look at README.md of dry_run=true; if it is as it should be, repeat later",
            ) from None


@contextlib.contextmanager
def _without_queries() -> Iterator[None]:
    """Keep the query of addresses out of the library's warnings: a large file's is a pass to write it."""

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
