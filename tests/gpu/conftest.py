"""A machine with a CUDA GPU, and a table of what was measured on it; or a rehearsal on the processor.

MEDFT_TEST_GPU=rehearsal goes through the same commands on a CPU, with two narrow layers of each family, so
that the tests themselves are known to work before a card is paid for.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medft.compose import settings
from medft.machine import probe
from medft.models.registry import ModelConfig
from medft.plan.environment import commit, versions
from tests.benchmarks import random_base
from tests.gpu.measured import Measured

FAMILIES = ("mistral", "gemma", "llama2", "llama3_1")
REHEARSAL = os.environ.get("MEDFT_TEST_GPU") == "rehearsal"
FOLDER = Path(os.environ.get("MEDFT_TEST_GPU_FOLDER", "artifacts/gpu"))
"""Bases, runs and results.md; 45 GB while a family is tried."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, loudly, where there is nothing to test on."""
    if REHEARSAL or probe().gpus:
        return
    skipped = pytest.mark.skip(reason="NO GPU WAS TESTED: no CUDA GPU here; make test-gpu where there is one")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(skipped)


@pytest.fixture(scope="session")
def measured() -> Measured:
    """What the tests of this session, and of those before it on this commit and card, have measured."""
    about = {
        "gpus": [{"name": gpu.name, "total_bytes": gpu.total_bytes} for gpu in probe().gpus],
        "rehearsal": REHEARSAL,
        "commit": commit(),
        "versions": versions(),
    }
    return Measured(FOLDER, about)


@pytest.fixture(scope="session")
def rows() -> Path:
    """Questions and answers of MedQuAD's lengths, in words that the small tokenizers know."""
    path = FOLDER.absolute() / "rows.jsonl"
    if not path.is_file():
        Measured.write_rows(path, longest=256 if REHEARSAL else 2048)
    return path


def model_of(family: str) -> ModelConfig:
    """The settings of a model of ``family``."""
    config: ModelConfig = settings("train", [f"model={family}"]).model
    return config


def base_folder(family: str) -> Path:
    """Where ``base_of`` writes."""
    return FOLDER.absolute() / "bases" / family


def base_of(family: str) -> Path:
    """A 16-bit checkpoint of the family's full width and depth with random weights; narrow in a rehearsal."""
    folder, model = base_folder(family), model_of(family)
    assert model.shape is not None
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        random_base.build_16bit(folder, family, random_base.tiny(model.shape) if REHEARSAL else model.shape)
    return folder
