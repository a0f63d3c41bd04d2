"""Bytes of activations at the real models' full width, as autograd would keep them: tensors without contents.

Nothing of this size is computed, so that it takes seconds and no memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from medft.compose import settings
from medft.engine import modules
from medft.engine.base import LoraConfig
from medft.models.registry import ShapeConfig, projections
from medft.training.memory import block_bytes_per_token
from tests.benchmarks import random_base
from tests.support.kept_tensors import weighed

LAYERS, TOKENS = 2, 1021  # a prime


def two_blocks(family: str, shape: ShapeConfig) -> Any:
    """Of a model with its adapter, nowhere."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    lora = LoraConfig()
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(
            random_base._config(family, replace(shape, num_hidden_layers=LAYERS)), dtype=torch.bfloat16
        )
        model = peft.get_peft_model(
            base, peft.LoraConfig(r=lora.r, target_modules=list(projections(shape))), low_cpu_mem_usage=True
        )
    modules.take_inputs_as_they_are(model)
    return model


def empty(model: Any) -> None:
    """Give it tensors on a processor, as the mode that this is called in makes them."""
    import torch

    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                dtype = torch.float32 if weight.requires_grad else weight.dtype
                made = torch.empty(weight.shape, dtype=dtype, device="cpu")
                module._parameters[name] = torch.nn.Parameter(made, weight.requires_grad)
        for name, buffer in module._buffers.items():
            module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device="cpu")


@pytest.mark.parametrize("name", ["mistral", "gemma", "llama2", "llama3_1", "qwen3_8b"])
def test_a_block_keeps_what_the_formula_says(name: str) -> None:
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    config = settings("train", [f"model={name}"]).model
    shape = config.shape
    model = two_blocks(config.family, shape)
    with FakeTensorMode():
        empty(model)
        ids = torch.zeros(1, TOKENS, dtype=torch.long)
        with torch.autocast("cpu", torch.bfloat16), weighed(model, TOKENS) as kept:
            hidden = model.get_base_model().model(ids, use_cache=False).last_hidden_state
    assert hidden.requires_grad
    block = block_bytes_per_token(
        shape, tuple(projections(shape)), "bfloat16", fused_lora=False, autocast=True
    )
    assert sum(kept.values()) / LAYERS / TOKENS == pytest.approx(block, rel=0.1)
