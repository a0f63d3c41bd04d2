"""Counted sizes against the published ones."""

from pathlib import Path

import pytest
import yaml

from medft.config import build
from medft.models.families import names
from medft.models.registry import ModelConfig, ShapeConfig, lora_parameters, parameters, projections
from medft.paths import conf_dir
from tests.support.architectures import OF_MODELS, full_config, shape_of

FILES = sorted((conf_dir() / "model").glob("*.yaml"))

# Parameters as safetensors indices state them, and the trainable parameters that peft prints for r=16.
PUBLISHED = {
    "gemma": (8_537_680_896, 50_003_968),
    "gemma_2b": (2_506_172_416, 19_611_648),
    "llama2": (6_738_415_616, 39_976_960),
    "mistral": (7_241_732_096, 41_943_040),
    "llama3_1": (8_030_261_248, 41_943_040),
    "qwen3_0_6b": (596_049_920, 10_092_544),
    "gemma3_1b": (999_885_952, 13_045_760),
}


def load(path: Path) -> ModelConfig:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if values["base"] == "???":
        values["base"] = "somebody/model"
    return build(ModelConfig, values)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_is_named_as_its_model(path: Path) -> None:
    assert load(path).name == path.stem


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_the_published_ones(name: str) -> None:
    model = load(conf_dir() / "model" / f"{name}.yaml")
    assert model.shape is not None
    assert (parameters(model.shape), lora_parameters(model.shape, 16, projections(model.shape))) == PUBLISHED[
        name
    ]


@pytest.mark.parametrize("model", [name for name in OF_MODELS if shape_of(name)])
def test_transformers_counts_as_many_weights_in_the_real_model(model: str) -> None:
    """Built on the meta device, without memory, from the shape in its YAML and its architecture."""
    import torch
    from transformers import AutoModelForCausalLM

    shape = shape_of(model)
    assert shape is not None
    with torch.device("meta"):
        built = AutoModelForCausalLM.from_config(full_config(model, shape))
    assert built.num_parameters() == parameters(shape)
    linear = {
        name: tuple(layer.weight.shape) for name, layer in built.named_modules() if name.endswith("_proj")
    }
    block = {name.rpartition(".")[2]: (i, o) for name, (o, i) in linear.items() if "vision" not in name}
    assert block == projections(shape)


def test_lora_counts_only_its_targets() -> None:
    shape = ShapeConfig(64, 2, 4, 2, 16, 192, 1000, False)
    assert lora_parameters(shape, 8, ["q_proj", "v_proj"]) == 2 * (8 * (64 + 64) + 8 * (64 + 32))


def test_every_family_has_a_model() -> None:
    models = [load(path) for path in FILES]
    assert {model.family for model in models} == {*names(), None}
    assert all(model.base_16bit and "/" in model.base_16bit for model in models if model.family)
    gemmas = {model.name for model in models if "gemma" in model.name}
    assert {model.name for model in models if model.forbids_float16} == gemmas
    llamas = [model for model in models if model.license.startswith("llama3")]
    assert len(llamas) == 4 and {model.name_must_start_with for model in llamas} == {"Llama"}
