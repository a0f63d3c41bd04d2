"""What a base folder must be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save_file

from medft.engine.base import LoadSpec
from medft.engine.checkpoint import check_base
from medft.errors import EngineError

NF4 = {"quant_method": "bitsandbytes", "load_in_4bit": True}


def folder(path: Path, weights: str = "model.safetensors", **config: Any) -> Path:
    (path / "config.json").write_text(json.dumps({"model_type": "llama"} | config))
    save_file({}, path / weights)
    return path


def spec(path: Path, in_4bit: bool = True) -> LoadSpec:
    return LoadSpec(path, "float32", in_4bit, 128)


def test_tells_quantised_from_16_bit(tmp_path: Path) -> None:
    assert not check_base(spec(folder(tmp_path)))
    assert not check_base(spec(folder(tmp_path), in_4bit=False))
    assert check_base(spec(folder(tmp_path, quantization_config=NF4)))


@pytest.mark.parametrize(
    ("config", "weights", "in_4bit", "message"),
    [
        ({}, "pytorch_model.bin", True, "only as pickle"),
        ({}, "README.md", True, "no safetensors weights"),
        ({"auto_map": {"AutoModel": "code.Model"}}, "model.safetensors", True, "needs its own Python code"),
        ({"quantization_config": {"quant_method": "gptq"}}, "model.safetensors", True, "gptq"),
        ({"quantization_config": NF4 | {"load_in_4bit": False}}, "model.safetensors", True, "bitsandbytes"),
        ({"quantization_config": NF4}, "model.safetensors", False, "stored in 4 bits"),
    ],
)
def test_refuses_with_a_reason(
    tmp_path: Path, config: dict[str, Any], weights: str, in_4bit: bool, message: str
) -> None:
    with pytest.raises(EngineError, match=message) as caught:
        check_base(spec(folder(tmp_path, weights, **config), in_4bit))
    assert caught.value.remedy


@pytest.mark.parametrize("content", [None, "{not json"])
def test_refuses_a_folder_that_is_no_model(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(EngineError, match=r"no usable config\.json"):
        check_base(spec(tmp_path))
