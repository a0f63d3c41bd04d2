"""Folders of small bases and adapters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.merge.small import make_adapter, save_tokenizer, small_model


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """``bases(family, dtype)``: the folder of a small 16-bit base, in several shards."""
    root, made = tmp_path_factory.mktemp("bases"), {}

    def make(family: str, dtype: str = "bfloat16") -> Path:
        folder = root / f"{family}-{dtype}"
        if folder not in made:
            small_model(family, dtype).save_pretrained(folder, max_shard_size="100KB")
            generation = {"bos_token_id": 1, "eos_token_id": [2, 3], "pad_token_id": 0}
            (folder / "generation_config.json").write_text(json.dumps(generation))
            save_tokenizer(folder)
            made[folder] = True
        return folder

    return make


@pytest.fixture
def adapters(tmp_path: Path) -> Callable[..., Path]:
    """``adapters(base, **LoraConfig)``: the folder of an adapter for that base."""
    from transformers import AutoModelForCausalLM

    def make(base: Path, name: str = "adapter", **settings: Any) -> Path:
        model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
        return make_adapter(model, tmp_path / name, **settings)

    return make
