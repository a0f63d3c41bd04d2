"""Fixtures that several rooms share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

# Tiny matrices gain nothing from threads, and threads that wait for one another on a busy machine cost
# up to five times as much. Subprocesses inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What takes the output of a test has no width, whatever the terminal of whoever runs the tests.
os.environ.pop("COLUMNS", None)

import pytest

from medft.models.tiny import Twin, twin
from medft.paths import samples_dir


@pytest.fixture(scope="session")
def twins() -> Callable[[str], Twin]:
    """Tiny twins by family, built once: under MEDFT_TEST_TWINS, or where `make train` keeps them."""
    root = Path(os.environ.get("MEDFT_TEST_TWINS", "artifacts/tiny")).absolute()
    return lambda family: twin(family, root)


@pytest.fixture(scope="session")
def samples() -> list[str]:
    """Questions with their answers, of the bundled sample."""
    lines = (samples_dir() / "medical_qa.jsonl").read_text(encoding="utf-8").splitlines()
    return [f"{row['question']}\n\n{row['answer']}" for row in map(json.loads, lines)]
