"""Calling a hub that may be busy, break off or refuse: what is tried again, and the error in the end."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from medft.errors import HubError
from medft.format import duration
from medft.models.hub import explain, hub_errors, refused

T = TypeVar("T")
Say = Callable[[str], None]
"""Told of every step that takes long and of everything that is tried again."""

ATTEMPTS = 5
LONGEST_WAIT = 300.0
"""Seconds; when a hub asks for more, an error says so instead of an hour of silence."""
TRANSIENT = (408, 409, 429, 500, 502, 503, 504)
"""409: another commit was being made at that moment."""


def again(step: Callable[[], T], say: Say = lambda _: None, but: tuple[int, ...] = ()) -> T:
    """Run ``step``; repeat it after a failure that passes (exponential waits, or what Retry-After says)."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return step()
        except Exception as error:
            wait = _wait(error, attempt, but)
            if wait is None or attempt == ATTEMPTS:
                raise
            say(f"temporary hub error; retry {attempt}/{ATTEMPTS - 1} in {duration(wait)}")
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
def refusals(repo: str) -> Iterator[None]:
    """`hub_errors`, and what huggingface_hub raises besides while it sends: a RuntimeError for a large file,
    with or (over Xet) without its reason, Xet's PermissionError, a ValueError for what cannot be read."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    with hub_errors(repo):
        try:
            yield
        except (HfHubHTTPError, HFValidationError):
            raise
        except RuntimeError as error:
            raise _broken_off(error, repo) from None
        except PermissionError as error:
            if error.errno is not None:  # of a file on this machine
                raise
            raise refused(repo) from None
        except ValueError:
            raise HubError(
                "the hub rejected the card's metadata, or sent an unreadable answer",
                where=repo,
                remedy="check the README.md that dry_run=true writes; if it is correct, try again later",
            ) from None


def _broken_off(error: RuntimeError, repo: str) -> HubError:
    reason = explain(error.__cause__, repo) if isinstance(error.__cause__, Exception) else None
    return HubError(
        f"the upload failed: {reason.what}" if reason else "the upload failed while sending a file",
        where=reason.where if reason else repo,
        remedy="run the same command again: files that arrived are not sent again",
    )
