"""The hub and its client, and time that passes at once."""

from __future__ import annotations

import types

import pytest

from medft.publish import calls
from tests.support.hub_client import client, hub

__all__ = ["client", "hub"]


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(calls, "time", types.SimpleNamespace(sleep=slept.append))
    return slept
