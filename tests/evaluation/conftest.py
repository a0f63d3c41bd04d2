"""One small model for every test of this room."""

from __future__ import annotations

import pytest

from medft.evaluation.asking import System
from medft.inference.session import BASE
from tests.support import answering


@pytest.fixture(scope="session")
def systems() -> list[System]:
    """The base and an adapter."""
    session = answering.session()
    return [System("base", session, BASE, "w0"), System("tuned", session, "a", "w0+a")]
