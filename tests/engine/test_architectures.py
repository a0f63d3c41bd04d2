"""Every architecture of conf/model, small and random, through the transformers engine in 16 bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from medft.engine import engine
from medft.engine.base import LoadSpec, LoraConfig
from medft.errors import EngineError
from medft.models.registry import lora_parameters, projections
from medft.paths import conf_dir
from medft.plan.shape import read_shape
from tests.engine import scenarios
from tests.support import sft
from tests.support.architectures import ARCHITECTURES, OF_MODELS, small_base

ROWS = sft.rows(4)
SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
NAMES = {
    "phi4": ["o_proj", "qkv_proj", "gate_up_proj", "down_proj"],
    "gemma4": [*SEVEN, "per_layer_input_gate", "per_layer_projection"],
}
SEEING = ("gemma3_vision", "gemma4")

Bases = Callable[[str], Path]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """``base(architecture)``: its checkpoint, made once."""
    root = tmp_path_factory.mktemp("architectures")

    def make(architecture: str) -> Path:
        folder = root / architecture
        return folder if folder.exists() else small_base(architecture, folder)

    return make


def load(folder: Path, **lora: Any) -> Any:
    spec = LoadSpec(folder, "bfloat16", False, 128)
    return engine("transformers").load_for_training(
        spec, LoraConfig(r=4, **lora), scenarios.tokenizer_of(folder), 7
    )


def adapted(model: Any) -> set[str]:
    """Names of the layers of the base that have an adapter."""
    return {
        name.removeprefix("base_model.model.").rpartition(".lora_A")[0]
        for name, _ in model.named_parameters()
        if ".lora_A." in name
    }


def test_every_model_has_an_architecture_that_is_tried_here() -> None:
    shipped = {path.stem for path in (conf_dir() / "model").glob("*.yaml")} - {"custom"}
    assert shipped == set(OF_MODELS)
    assert set(OF_MODELS.values()) <= set(ARCHITECTURES)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_two_steps_on_the_layers_of_its_language_model(
    base: Bases, tmp_path: Path, architecture: str
) -> None:
    folder = base(architecture)
    model = load(folder)
    layers = adapted(model)
    assert {name.rpartition(".")[2] for name in layers} == set(NAMES.get(architecture, SEVEN))
    inside = "model.language_model.layers." if architecture in SEEING else "model.layers."
    assert all(name.startswith(inside) for name in layers)
    recipe = {"per_device_batch_size": 2, "gradient_accumulation_steps": 1, "bf16": True}
    kind = engine("transformers").loss_type(model)
    assert kind == ("nll" if architecture in ("gemma2", "gemma4") else "chunked_nll")
    trainer = sft.trainer(model, scenarios.tokenizer_of(folder), ROWS, tmp_path, loss_type=kind, **recipe)
    trainer.train()
    found = sft.losses(trainer)
    assert len(found) == 2 and all(math.isfinite(loss) and loss > 1 for loss in found)
    moved = {name for name, p in model.named_parameters() if "lora_B" in name and p.abs().max() > 0}
    assert len(moved) == len(layers)


@pytest.mark.parametrize("architecture", ["llama2", "phi4", "qwen3", "gemma2", "gemma3", "gemma3_vision"])
def test_its_config_tells_the_sizes_of_model_and_adapter(base: Bases, architecture: str) -> None:
    shape = read_shape(base(architecture))
    assert shape is not None
    model = load(base(architecture))
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained == lora_parameters(shape, 4, tuple(projections(shape)))
    assert set(projections(shape)) == set(NAMES.get(architecture, SEVEN))


def test_blocks_that_a_shape_does_not_describe_have_none(base: Bases) -> None:
    assert read_shape(base("gemma4")) is None


def test_named_layers_are_adapted_in_the_language_model_alone(base: Bases) -> None:
    model = load(base("gemma3_vision"), target_modules=("q_proj",))
    assert adapted(model) == {f"model.language_model.layers.{n}.self_attn.q_proj" for n in (0, 1)}
    assert any("vision_tower" in name and name.endswith("q_proj") for name, _ in model.named_modules())


def test_names_of_another_architecture_are_refused_with_its_own(base: Bases) -> None:
    with pytest.raises(EngineError, match="q_proj, v_proj") as refused:
        load(base("phi4"), target_modules=("q_proj", "v_proj"))
    assert "qkv_proj" in refused.value.remedy


def test_capped_attention_is_computed_as_the_architecture_defines_it(base: Bases) -> None:
    """PyTorch's fused attention would leave the cap out."""
    from transformers import AutoModelForCausalLM

    folder, ids = base("gemma2"), torch.tensor([scenarios.PROMPT])
    spec = LoadSpec(folder, "float32", False, 128)
    ours = engine("transformers").load_for_generation(spec, None)
    with torch.no_grad():
        logits = ours(input_ids=ids).logits
        reference = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager"
        )
        assert torch.equal(logits, reference(input_ids=ids).logits)
    assert logits.abs().max() <= 3


def test_the_adapter_of_a_model_that_sees_is_found_again(base: Bases, tmp_path: Path) -> None:
    folder, ids = base("gemma3_vision"), torch.tensor([scenarios.PROMPT])
    spec = LoadSpec(folder, "float32", False, 128)
    model = engine("transformers").load_for_training(spec, LoraConfig(r=4), scenarios.tokenizer_of(folder), 7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    model.save_pretrained(tmp_path)
    again = engine("transformers").load_for_generation(replace(spec), tmp_path)
    with torch.no_grad():
        assert torch.equal(again(input_ids=ids).logits, model.eval()(input_ids=ids).logits)
