"""medft serve: talk to runs in a browser, several side by side."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from types import ModuleType

from medft.checked import Count, Port, Seed, Tokens
from medft.errors import ConfigError
from medft.inference.chat_server import ChatServer
from medft.inference.dialogue import NOT_ADVICE
from medft.inference.generation import Sampling
from medft.inference.library import Library
from medft.inference.retrieve import IndexKind, open_index
from medft.overrides import Idle
from medft.runs import find_run
from medft.screen import Screen

EXAMPLES = (
    "medft serve run=latest",
    "medft serve run=[mistral-medquad,gemma-medquad] port=7861",
    "medft serve run=latest docs=guidelines/",
)
IDLE = tuple(Idle(key, lambda config: config.docs, "docs=...") for key in ("k", "index", "embedder"))

VARIABLE = "MEDFT_PASSWORD"
"""Names the environment variable that holds it."""


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """Which models answer on the page, and how."""

    run: str | tuple[str, ...] = "latest"
    """The run, or several: folders, `latest`, or parts of names."""
    docs: Path | None = None
    """Documents to answer from: a file, or a folder of .txt, .md and .jsonl files."""
    index: IndexKind = "bm25"
    """How passages are found: bm25, or dense (pip install 'medft[dense]')."""
    embedder: str = "NeuML/pubmedbert-base-embeddings"
    """Sentence-transformers model of a dense index."""
    k: Count = 3
    """Number of passages per question."""
    max_new_tokens: Tokens = 512
    """Maximum length of an answer, in tokens; can be changed on the page."""
    temperature: float = 0.0
    """0 is greedy; can be changed on the page."""
    top_p: float = 1.0
    """Sample from the smallest set of tokens with this much probability; can be changed on the page."""
    seed: Seed = 0
    """Sampling seed."""
    context: Tokens = 4096
    """Maximum length of conversation and answer together, in tokens."""
    port: Port | None = None
    """Port; null takes the first free one from 7860."""
    host: str = "127.0.0.1"
    """Address to listen on. With 0.0.0.0 other machines can connect, and need a password: $MEDFT_PASSWORD,
    or a random one that is shown; traffic is not encrypted."""
    artifacts: Path = Path("artifacts")
    """Folder of the runs and of document indexes."""


def run(config: ServeConfig) -> None:
    """Load the first run, open the page, and serve until Ctrl-C.

    Raises:
        MedftError: the runs or documents cannot be used, or the extra is missing.
    """
    web, screen = _web(), Screen()
    _demand_own(config.host)
    names = (config.run,) if isinstance(config.run, str) else config.run
    library = Library([find_run(name, config.artifacts) for name in names], config.artifacts, config.context)
    sampling = Sampling(config.max_new_tokens, config.temperature, config.top_p, config.seed)
    with screen.chatter_to(config.artifacts / "serve.log"):
        index = None
        if config.docs:
            index = open_index(config.docs, config.index, config.embedder, config.artifacts / "indexes")
        screen.line("loading", library.names[0])
        library.session(library.names[0])
        page = web.build_page(
            ChatServer(library, index, config.k, config.seed, config.artifacts / "votes.jsonl"),
            sampling,
            opened=len(names),
        )
        password = None if _is_local(config.host) else os.environ.get(VARIABLE) or token_urlsafe(9)
        address = web.launch(page, config.port, host=config.host, password=password)
        screen.line("open", address)
        if password:
            shown = f"that of ${VARIABLE}" if VARIABLE in os.environ else password
            screen.line("login", f"{web.USER}, password {shown}")
            screen.line("notice", "not encrypted; safer: ssh -L 7860:localhost:7860 <this machine>")
        screen.line("note", NOT_ADVICE)
        screen.line("stop", "Ctrl-C")
        page.block_thread()


def _demand_own(host: str) -> None:
    """Refuse an address that is none of this machine, where Gradio would try one port after the other."""
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"host={host} is not an address of this machine",
            remedy="127.0.0.1 for this machine only, 0.0.0.0 to let others connect",
        ) from error


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _web() -> ModuleType:
    """The page's module, with Gradio's statistics off."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        from medft.inference import web
    except ImportError as error:
        if error.name != "gradio":
            raise
        raise ConfigError(
            "the page needs gradio, which is not installed",
            remedy="pip install 'medft[web]', or talk in the terminal: medft chat",
        ) from None
    return web
