"""Both engines, run once per session over the same bases and rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft.models.tiny import Twin

Twins = Callable[[Any], Twin]
ROOT = Path(__file__).resolve().parents[2]
FAMILIES = ("mistral", "llama2", "llama3_1", "gemma", "qwen3")


def base_of(twin: Twin, quantised: bool) -> Path:
    """The folder of the NF4 base, or of the 16-bit one."""
    return twin.nf4 if quantised else twin.bits16


@pytest.fixture(scope="session")
def unsloth_folder(twins: Twins, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the worker that runs medft's unsloth engine has written its results."""
    out = tmp_path_factory.mktemp("unsloth")
    root = next(iter({twins(family).root.parent for family in FAMILIES}))  # all are built now
    environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(out / "cache")}
    environment.pop("UNSLOTH_COMPILE_LOCATION", None)
    command = [sys.executable, "-m", "tests.engine.unsloth_worker", str(root), str(out)]
    with (out / "log.txt").open("w") as log:
        code = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log).returncode
    assert code == 0, (out / "log.txt").read_text()[-3000:]
    return out


@pytest.fixture(scope="session")
def unsloth(unsloth_folder: Path) -> Callable[[str], Any]:
    """``unsloth(section)``: what a section of the worker found; its traceback is the failure message."""

    def found(section: str) -> Any:
        result = json.loads((unsloth_folder / f"{section}.json").read_text())
        if "failed" in result:
            pytest.fail(result["failed"], pytrace=False)
        return result["found"]

    return found


@pytest.fixture(scope="session")
def plain(twins: Twins, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """``plain(family, quantised, dtype)``: the same short run with the transformers engine."""
    from medft.engine import engine
    from medft.engine.base import LoadSpec
    from tests.engine import scenarios

    out = tmp_path_factory.mktemp("plain")

    def run(family: str, quantised: bool, dtype: Any) -> dict[str, Any]:
        spec = LoadSpec(base_of(twins(family), quantised), dtype, quantised, 256)
        return scenarios.short_run(engine("transformers"), spec, out / f"{family}-{quantised}-{dtype}")

    return run


@pytest.fixture
def quantised_model(twins: Twins) -> Any:
    """A QLoRA model of the transformers engine."""
    from medft.engine import engine
    from medft.engine.base import LoadSpec, LoraConfig
    from tests.engine import scenarios

    spec = LoadSpec(twins("mistral").nf4, "float32", True, 128)
    return engine("transformers").load_for_training(spec, LoraConfig(), scenarios.tokenizer_of(spec.path), 7)
