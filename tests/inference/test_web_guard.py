"""Who is answered by the chat page's server, and what."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from medft.inference.web_guard import BURST, LARGEST, LOGINS, OPEN, Guard

OWN = {"host": "127.0.0.1:7860"}


async def _app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    """Answers with the bytes that it was given."""
    seen = 0
    while (message := await receive())["type"] == "http.request":
        seen += len(message["body"])
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(seen).encode()})


def ask(
    guard: Guard, method: str, path: str, headers: dict[str, str] = OWN, body: tuple[bytes, ...] = (b"",)
) -> tuple[int, bytes]:
    sent: list[MutableMapping[str, Any]] = []
    pieces = [{"type": "http.request", "body": piece, "more_body": True} for piece in body]
    pieces[-1]["more_body"] = False

    async def receive() -> MutableMapping[str, Any]:
        return pieces.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(guard({"type": "http", "method": method, "path": path, "headers": raw}, receive, send))
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:7860", None, 200), ("localhost:8000", "http://localhost:8000", 200),
        ("[::1]:7860", None, 200),
        ("192.168.1.5:7860", "http://192.168.1.5:7860", 200), ("evil.example.com", None, 403),
        ("evil.example.com", "http://evil.example.com", 403), ("127.0.0.1.evil.com:7860", None, 403),
        ("127.0.0.1:7860", "http://evil.example.com", 403), ("127.0.0.1:7860", "null", 403), ("", None, 403),
        ("127.0.0.1:7860", "http://127.0.0.1:9999", 403), ("[::1", None, 403),
        ("127.0.0.1:7860", "http://[::1", 403), ("127.0.0.1:7860", "http://127.0.0.1:x", 403),
        ("10.0.0.1:80", "http://10.0.0.1", 200), ("10.0.0.1", "http://10.0.0.1:80", 200),
        ("10.0.0.1:80", "https://10.0.0.1", 403), ("127.0.0.1", "null", 403),
    ],
)  # fmt: skip
def test_a_page_of_another_name_gets_nothing(host: str, origin: str | None, status: int) -> None:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    for method, path in (("GET", "/config"), ("POST", "/gradio_api/queue/join")):
        assert ask(Guard(_app), method, path, headers)[0] == status


def test_a_browser_says_when_another_site_asks() -> None:
    cross = {**OWN, "sec-fetch-site": "cross-site"}
    assert ask(Guard(_app), "GET", "/config", cross)[0] == 403
    assert ask(Guard(_app), "GET", "/", cross)[0] == 200  # a link to the page


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/upload", "/gradio_api/file=/etc/passwd", "/gradio_api/proxy=http://x",
     "/gradio_api/call/ask",
     "/gradio_api/component_server", "/monitoring", "/docs", "/gradio_api/mcp/", "/x/../config", "//config"],
)  # fmt: skip
def test_what_the_page_never_uses_is_not_there(path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert ask(Guard(_app), method, path)[0] == 404


def test_a_body_is_bounded_with_a_length_and_without() -> None:
    join = "/gradio_api/queue/join"
    assert ask(Guard(_app), "POST", join, {**OWN, "content-length": str(60 << 20)})[0] == 413
    for length in ("-1", "9" * 5_000):
        assert ask(Guard(_app), "POST", join, {**OWN, "content-length": length})[0] == 413
    status, seen = ask(Guard(_app), "POST", join, body=(b"x" * LARGEST, b"y" * LARGEST, b"z"))
    assert (status, int(seen)) == (200, LARGEST), "the rest is never read"


def test_requests_and_passwords_have_a_rate() -> None:
    for path, most in (("/gradio_api/queue/join", BURST), ("/login", LOGINS)):
        guard = Guard(_app)
        answers = [ask(guard, "POST", path)[0] for _ in range(int(most) + 20)]
        assert answers[: int(most)] == [200] * int(most) and answers[-1] == 429
        assert ask(guard, "GET", "/")[0] == 200


def test_only_so_many_are_answered_at_once() -> None:
    async def fill() -> list[int]:
        leave = asyncio.Event()

        async def waiting(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
            await leave.wait()
            await _app(scope, receive, send)

        guard, statuses = Guard(waiting), []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b""}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
        held = [asyncio.create_task(guard(scope, receive, send)) for _ in range(OPEN)]
        await asyncio.sleep(0)
        await guard(scope, receive, send)
        leave.set()
        await asyncio.gather(*held)
        await guard(scope, receive, send)
        return statuses

    assert asyncio.run(fill()) == [503, *[200] * OPEN, 200]
