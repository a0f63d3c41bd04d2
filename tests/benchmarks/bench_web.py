"""Memory of the chat page's server over many questions of many visitors, and over bodies that are too large.

    python -m tests.benchmarks.bench_web [--questions 10000] [--bodies 40]

The page runs as ``medft serve`` does, in a process of its own, with a tiny twin that answers in one token and
without the limit of requests per second.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

EACH = 25
"""Questions of one visitor."""
LARGE = 60 << 20


def main() -> None:
    """Ask, and show what the server needs."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--questions", type=int, default=10_000)
    options.add_argument("--bodies", type=int, default=40)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as page:
        began = time.monotonic()
        print(f"{'questions':>10}{'MB':>8}", flush=True)
        for done in range(1, given.questions + 1):
            page.ask(f"visitor{done // EACH}", f"What is number {done}? {'word ' * 50}")
            if done in (1, 100, 500) or done % 1000 == 0:
                print(f"{done:>10,}{page.memory():>8.1f}", flush=True)
        print(f"{given.questions:,} questions in {time.monotonic() - began:.0f} s")
        for announced in (True, False):
            answers = {page.send_large(announced=announced) for _ in range(given.bodies)}
            kind = "with their length announced" if announced else "in pieces of no announced length"
            print(f"{given.bodies} bodies of 60 MB {kind}: {answers}, {page.memory():.1f} MB")


@dataclass(frozen=True, slots=True)
class Page:
    """A page that is served."""

    process: int
    host: str
    port: int
    does: int
    """The number of the function behind the button Ask."""
    model: str

    def ask(self, visitor: str, text: str) -> None:
        """One question and its whole answer, as the page asks it."""
        values = [text, [self.model], "as trained", False, 0, 1, 1]
        asked = {"data": values, "fn_index": self.does, "session_hash": visitor, "event_data": None}
        assert self._call("POST", "/gradio_api/queue/join", json.dumps(asked))[0] == 200
        status, said = self._call("GET", f"/gradio_api/queue/data?session_hash={visitor}")
        assert status == 200 and b'"success":true' in said.replace(b" ", b""), said[-500:]

    def send_large(self, *, announced: bool) -> str:
        """The answer to a body of 60 MB; "cut" where the connection ends first."""
        piece = b"x" * (1 << 16)
        head = f"POST /gradio_api/queue/join HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
        head += f"Content-Length: {LARGE}\r\n\r\n" if announced else "Transfer-Encoding: chunked\r\n\r\n"
        with socket.create_connection((self.host, self.port), timeout=60) as wire:
            with contextlib.suppress(ConnectionError):
                wire.sendall(head.encode())
                for _ in range(LARGE // len(piece)):
                    wire.sendall(piece if announced else b"%x\r\n%s\r\n" % (len(piece), piece))
                wire.sendall(b"" if announced else b"0\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                return wire.recv(200).partition(b"\r\n")[0].decode() or "cut"
        return "cut"

    def memory(self) -> float:
        """Megabytes that the server holds."""
        status = Path(f"/proc/{self.process}/status").read_text(encoding="utf-8")
        return float(status.partition("VmRSS:")[2].split()[0]) / 1024

    def _call(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        wire = http.client.HTTPConnection(self.host, self.port, timeout=60)
        with contextlib.closing(wire):
            wire.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = wire.getresponse()
            return answer.status, answer.read()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Page]:
    """A page over a tiny twin, for as long as the block lasts."""
    words = [sys.executable, "-m", "tests.benchmarks.bench_web", "serve", str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            told = json.loads(process.stdout.readline())
            place = urlsplit(told["address"])
            assert place.hostname and place.port
            yield Page(process.pid, place.hostname, place.port, told["does"], told["model"])
        finally:
            process.kill()


def serve(folder: Path) -> None:
    """The server's process: says where it is, and ends with its standard input."""
    from medft.inference import web, web_guard
    from medft.inference.chat_server import ChatServer
    from medft.inference.generation import Sampling
    from medft.inference.library import Library
    from tests.support.trained_run import make_run

    web_guard.PER_SECOND = 1e9
    library = Library([make_run(folder, "20261120-101501", 1)], folder, context=512)
    library.session(library.names[0])
    server = ChatServer(library, None, 1, 0, folder / "votes.jsonl")
    page = web.build_page(server, Sampling(max_new_tokens=1))
    address = web.launch(page, None)
    told: dict[str, Any] = {"address": address, "does": _asking(page), "model": library.names[0]}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)


def _asking(page: Any) -> int:
    """The number of the function that the button Ask calls."""
    button = next(block for block in page.blocks.values() if getattr(block, "elem_id", "") == "ask")
    return next(n for n, does in page.fns.items() if (button._id, "click") in does.targets)


if __name__ == "__main__":
    serve(Path(sys.argv[2])) if sys.argv[1:2] == ["serve"] else main()
