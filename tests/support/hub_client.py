"""Fixtures: the small hub server, and this process's huggingface_hub pointed at it.

`hub` is the server. `client` makes the real client talk to it: own cache, no token, no Xet, no waiting (what
it would have waited stands in `client.naps`).
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.hub_server import Hub, running_hub

WRITE_TOKEN = "hf_WriteTokenThatMustNeverBeSeen"
READ_TOKEN = "hf_ReadTokenThatMustNeverBeSeen"


@dataclass
class Client:
    """Where the client's cache lies and how long it would have slept between retries."""

    cache: Path
    naps: list[float] = field(default_factory=list)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as running:
        running.store.writers[WRITE_TOKEN] = "ward"
        running.store.readers[READ_TOKEN] = "guest"
        yield running


@pytest.fixture
def client(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Client:
    from huggingface_hub import constants, hf_api
    from huggingface_hub.utils import _http

    made = Client(tmp_path / "hf")
    for name, value in {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(made.cache / "hub"),
        "HF_TOKEN_PATH": str(made.cache / "token"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
    }.items():
        monkeypatch.setattr(constants, name, value)
    if "datasets" in sys.modules:  # it copies the flag when it is imported
        monkeypatch.setattr(sys.modules["datasets"].config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hf_api.api, "endpoint", hub.url)  # of the functions that are methods of one instance
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_http, "time", types.SimpleNamespace(sleep=made.naps.append))
    return made
