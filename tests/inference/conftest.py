"""One small model for every test of this room."""

from __future__ import annotations

import pytest

from medft.inference.session import Session
from tests.support import answering


@pytest.fixture(scope="session")
def session() -> Session:
    return answering.session()
