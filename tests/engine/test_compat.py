"""The versions in use are those that these tests have run with."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from medft.engine import compat
from tests.engine import scenarios
from tests.support import sft

ROOT = Path(__file__).resolve().parents[2]


def test_installed_versions_are_tested_ones() -> None:
    outside = compat.outside_tested()
    assert not outside, (
        "installed versions have left the tested window:\n  "
        + "\n  ".join(outside)
        + "\nrun tests/engine with them, see in medft/engine/compat.py what may go, then widen TESTED"
    )


def test_pins_stay_inside_the_window() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = {}
    for requirement in map(Requirement, project["dependencies"]):
        exact = [pin.version for pin in requirement.specifier if pin.operator == "=="]
        if requirement.name in compat.TESTED and exact:
            pins[requirement.name] = exact[0]
    assert len(pins) >= 10
    assert compat.outside_tested(pins) == []


def test_names_what_left_the_window() -> None:
    versions = compat.installed() | {"trl": "9.9", "unsloth": ""}
    assert compat.outside_tested(versions) == [
        "unsloth is not installed, tested with ==2026.10.7",
        "trl 9.9, tested with ==1.14.2",
    ]


def test_local_builds_count_as_their_version() -> None:
    assert compat.outside_tested({"torch": "2.10.0+cu128"}) == []


def test_the_users_own_compile_folder_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("UNSLOTH_COMPILE_LOCATION", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compat.cache_compiled_unsloth()
    assert os.environ["UNSLOTH_COMPILE_LOCATION"] == str(tmp_path / "medft" / "unsloth_compiled")
    monkeypatch.setenv("UNSLOTH_COMPILE_LOCATION", "mine")
    compat.cache_compiled_unsloth()
    assert os.environ["UNSLOTH_COMPILE_LOCATION"] == "mine"


def test_the_adapter_stays_float32_and_would_not(quantised_model: Any, tmp_path: Path) -> None:
    tokenizer = scenarios.tokenizer_of(Path(quantised_model.config._name_or_path))

    def trained_types() -> set[str]:
        trainer = sft.trainer(quantised_model, tokenizer, scenarios.ROWS, tmp_path)
        return {str(p.dtype) for p in trainer.model.parameters() if p.requires_grad}

    assert trained_types() == {"torch.float32"}
    del quantised_model.is_loaded_in_4bit
    assert trained_types() == {"torch.bfloat16"}, "compat.keep_adapter_float32 may go"
