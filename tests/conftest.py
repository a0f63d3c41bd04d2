"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from medft.models.registry import Family
from medft.models.tiny import Twin, twin


@pytest.fixture(scope="session")
def twins() -> Callable[[Family], Twin]:
    """Tiny twins by family, built once per machine: under MEDFT_TEST_TWINS, or where `make train` keeps them."""
    root = Path(os.environ.get("MEDFT_TEST_TWINS", "artifacts/tiny")).absolute()
    return lambda family: twin(family, root)
