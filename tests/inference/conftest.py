"""One small model for every test of this room."""

from __future__ import annotations

import pytest

from medft.inference.library import Library
from medft.inference.session import Session
from tests.support import answering
from tests.support.trained_run import make_run


@pytest.fixture(scope="session")
def session() -> Session:
    return answering.session()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Two runs on one tiny twin."""
    artifacts = tmp_path_factory.mktemp("artifacts")
    runs = [make_run(artifacts, f"20261120-10150{i}", i) for i in (1, 2)]
    return Library(runs, artifacts, context=512)
