"""The settings of engine and adapter, and that choosing an engine costs nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from medft.config import build
from medft.engine import engine
from medft.engine.base import EngineConfig, LoraConfig
from medft.errors import ConfigError


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ({"r": 0}, "lora.r"),
        ({"alpha": 0}, "lora.alpha"),
        ({"dropout": 1.0}, "lora.dropout"),
        ({"target_modules": []}, "lora.target_modules"),
        ({"target_modules": ["q_proj", "q_proj"]}, "lora.target_modules"),
        ({"target_modules": ["q_proj", "lm_head"]}, "lm_head"),
    ],
)
def test_an_impossible_adapter_names_its_key(setting: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=key) as caught:
        build(LoraConfig, setting, "lora")
    assert caught.value.remedy


def test_scale_as_peft_computes_it() -> None:
    import peft
    import torch

    for ours in (LoraConfig(r=8, alpha=16), LoraConfig(r=16, alpha=16, use_rslora=True)):
        theirs = peft.LoraConfig(
            r=ours.r, lora_alpha=ours.alpha, use_rslora=ours.use_rslora, target_modules=["0"]
        )
        model = peft.get_peft_model(torch.nn.Sequential(torch.nn.Linear(4, 4)), theirs)
        assert model.base_model.model[0].scaling["default"] == pytest.approx(ours.scale)


def test_unsloth_checkpointing_needs_unsloth() -> None:
    with pytest.raises(ConfigError, match="gradient_checkpointing"):
        EngineConfig(name="transformers", gradient_checkpointing="unsloth")


@pytest.mark.parametrize("name", ["unsloth", "transformers"])
def test_names(name: Any) -> None:
    assert engine(name).name == name


def test_asking_an_engine_imports_nothing_heavy() -> None:
    code = (
        "import sys; from medft.engine import engine;"
        "[engine(name).why_not() for name in ('unsloth', 'transformers')];"
        "heavy = {'torch', 'transformers', 'unsloth', 'trl', 'peft', 'bitsandbytes'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
