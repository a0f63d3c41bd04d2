"""Access control of the chat page's server: an ASGI middleware in front of Gradio.

A page of another site must neither read answers nor ask (DNS rebinding, cross-site requests), nobody can send
what the page never sends, and no visitor can fill memory or disk.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LARGEST = 1 << 20
"""Bytes of one request: some hundred pages of question and conversation."""
BURST, PER_SECOND = 120.0, 20.0
"""Requests other than GET that all visitors together may send at once, and in the long run."""
OPEN = 400
"""Requests that are answered at one time: a page holds two open for as long as it is looked at."""
LOGINS, LOGINS_PER_SECOND = 10.0, 0.2
"""The same of passwords: a few by hand, never thousands by a program."""
READ = (
    "/assets/", "/static/", "/svelte/", "/theme.css", "/config", "/favicon.ico", "/manifest.json",
    "/gradio_api/info", "/gradio_api/queue/data", "/gradio_api/heartbeat/", "/gradio_api/startup-events",
    "/gradio_api/app_id", "/gradio_api/login_check", "/gradio_api/user", "/gradio_api/token", "/logout",
    "/login_check", "/user", "/token", "/app_id",
)  # fmt: skip
"""Where the page reads, beside its own address."""
WRITTEN = ("/gradio_api/queue/join", "/gradio_api/reset", "/gradio_api/cancel", "/gradio_api/run/", "/login")
"""Where it writes. Uploads, files, proxies, components' own routes and the API for programs are left out."""


class Guard:
    """The middleware.

    Args:
        app: what answers the requests that pass.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._requests = Allowance(BURST, PER_SECOND)
        self._logins = Allowance(LOGINS, LOGINS_PER_SECOND)
        self._open = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif refusal := self._refusal(scope):
            await _refuse(send, *refusal)
        else:
            await self._bounded(scope, receive, send)

    def _refusal(self, scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        host, path, reads = headers.get("host", ""), scope["path"], scope["method"] in ("GET", "HEAD")
        if not _is_own(host):
            return 403, "this server has another address"
        if (origin := headers.get("origin")) is not None and not _same(origin, host):
            return 403, "requests from other pages are not allowed"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and path != "/":
            return 403, "requests from other pages are not allowed"
        if not (path in ("/", "/login") if reads else False) and not path.startswith(
            READ if reads else WRITTEN
        ):
            return 404, "this request is not allowed"
        if not reads and not (self._logins if path.startswith("/login") else self._requests).take():
            return 429, "too many requests: wait some seconds"
        if self._open >= OPEN:
            return 503, "too many pages are open"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > len(str(LARGEST)) or int(length) > LARGEST:
            return 413, f"the request has more than {LARGEST:,} bytes"
        return None

    async def _bounded(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Hand on a request whose body is read no further than it may be long; one that announces no length
        ends there."""
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            return message if seen <= LARGEST else {"type": "http.disconnect"}

        self._open += 1
        try:
            await self._app(scope, counted, send)
        finally:
            self._open -= 1


class Allowance:
    """A token bucket: so many at once, and so many a second in the long run."""

    def __init__(self, burst: float, per_second: float) -> None:
        self._burst, self._rate = burst, per_second
        self._left, self._then = burst, time.monotonic()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._then) * self._rate)
        self._then = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _is_own(host: str) -> bool:
    """Whether a Host header names this machine by its number or its own name: a page that rebinds its name to
    this machine's address still says that name."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in ("localhost", socket.gethostname().lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same(origin: str, host: str) -> bool:
    """Whether a page of ``origin`` is one of ``host``; a port that a scheme implies may be left out."""
    try:
        page, server = urlsplit(origin), urlsplit(f"//{host}")
        implied = {"http": 80, "https": 443}.get(page.scheme)
        return (page.hostname, page.port or implied) == (server.hostname, server.port or implied)
    except ValueError:
        return False


async def _refuse(send: Send, status: int, why: str) -> None:
    body = json.dumps({"detail": why}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
