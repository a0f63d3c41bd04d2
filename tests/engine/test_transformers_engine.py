"""The plain engine on the CPU: what it loads is what was asked for."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn import Linear4bit

from medft.engine import engine, modules
from medft.engine.base import LoadSpec, LoraConfig
from medft.errors import EngineError
from tests.engine import scenarios
from tests.engine.conftest import FAMILIES, Twins
from tests.support import sft

IDS = torch.tensor([scenarios.PROMPT])


def load(spec: LoadSpec, lora: LoraConfig | None = None, seed: int = 7) -> Any:
    return engine("transformers").load_for_training(
        spec, lora or LoraConfig(), scenarios.tokenizer_of(spec.path), seed
    )


def test_stored_and_quantised_on_load_are_the_same_nf4(twins: Twins) -> None:
    twin = twins("mistral")
    logits = []
    for path in (twin.bits16, twin.nf4):
        model = load(LoadSpec(path, "bfloat16", True, 128))
        layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
        assert len(layers) == len(modules.linear4bit(model)) == 14
        assert {layer.weight.quant_type for layer in layers} == {"nf4"}
        assert all(layer.weight.quant_state.nested for layer in layers)  # double quantisation
        logits.append(model(input_ids=IDS).logits.detach())
    assert torch.equal(*logits)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_computes_in_the_type_asked_for(twins: Twins, dtype: Any) -> None:
    model = load(LoadSpec(twins("mistral").nf4, dtype, True, 128))
    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    assert {layer.compute_dtype for layer in layers} == {getattr(torch, dtype)}
    assert {layer.weight.quant_state.dtype for layer in layers} == {getattr(torch, dtype)}


def test_plain_lora_on_a_16_bit_base(twins: Twins) -> None:
    model = load(LoadSpec(twins("gemma").bits16, "bfloat16", False, 128))
    assert modules.linear4bit(model) == []
    assert {p.dtype for p in model.parameters() if not p.requires_grad} == {torch.bfloat16}
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}


def test_checkpointing_changes_no_gradient(twins: Twins) -> None:
    spec = LoadSpec(twins("mistral").nf4, "float32", True, 128)
    gradients = []
    for checkpointing in ("off", "standard"):
        model = load(dataclasses.replace(spec, gradient_checkpointing=checkpointing))
        assert model.is_gradient_checkpointing == (checkpointing == "standard")
        model.train()(input_ids=IDS, labels=IDS).loss.backward()
        gradients.append([p.grad for p in model.parameters() if p.requires_grad])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert any(gradient.abs().sum() > 0 for gradient in gradients[0])


def test_the_seed_is_that_of_the_adapter(twins: Twins) -> None:
    spec = LoadSpec(twins("mistral").bits16, "float32", False, 128)
    drawn = [_first_a(load(spec, seed=seed)) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def _first_a(model: Any) -> torch.Tensor:
    return next(p.detach() for name, p in model.named_parameters() if "lora_A" in name)


def test_dora_and_rslora_reach_peft(twins: Twins) -> None:
    lora = LoraConfig(r=4, alpha=8, use_dora=True, use_rslora=True, target_modules=("q_proj", "v_proj"))
    model = load(LoadSpec(twins("mistral").nf4, "float32", True, 128), lora)
    names = {name for name, p in model.named_parameters() if p.requires_grad}
    assert any("lora_magnitude_vector" in name for name in names)
    assert all(".q_proj." in name or ".v_proj." in name for name in names)
    layer = model.base_model.model.model.layers[0].self_attn.q_proj
    assert layer.scaling["default"] == pytest.approx(lora.scale)


def test_a_missing_target_is_named(twins: Twins) -> None:
    lora = LoraConfig(target_modules=("q_proj", "c_attn"))
    with pytest.raises(EngineError, match="c_attn"):
        load(LoadSpec(twins("mistral").bits16, "float32", False, 128), lora)


def test_a_tokenizer_of_another_model_is_refused(twins: Twins) -> None:
    class Larger:
        def __len__(self) -> int:
            return 10**6

    with pytest.raises(EngineError, match="1000000 tokens"):
        engine("transformers").load_for_training(
            LoadSpec(twins("mistral").bits16, "float32", False, 128), LoraConfig(), Larger(), 7
        )


def test_unsloths_checkpointing_is_refused(twins: Twins) -> None:
    with pytest.raises(EngineError, match="gradient checkpointing"):
        load(LoadSpec(twins("mistral").bits16, "float32", False, 128, "unsloth"))


def test_an_adapter_is_found_again(twins: Twins, tmp_path: Path) -> None:
    spec = LoadSpec(twins("mistral").bits16, "float32", False, 128)
    model = load(spec)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    model.save_pretrained(tmp_path)
    again = engine("transformers").load_for_generation(spec, tmp_path)
    bare = engine("transformers").load_for_generation(spec, None)
    assert not again.training
    expected = model.eval()(input_ids=IDS).logits
    assert torch.equal(again(input_ids=IDS).logits, expected)
    assert not torch.allclose(bare(input_ids=IDS).logits, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_chunked_loss_is_the_plain_one(twins: Twins, tmp_path: Path, family: Any) -> None:
    spec = LoadSpec(twins(family).bits16, "float32", False, 128)
    found = {}
    for loss_type in ("nll", "chunked_nll"):
        model = load(spec)
        assert engine("transformers").loss_type(model) == "chunked_nll"
        tokenizer = scenarios.tokenizer_of(spec.path)
        trainer = sft.trainer(
            model, tokenizer, scenarios.ROWS, tmp_path, per_device_batch_size=2, loss_type=loss_type
        )
        trainer.train()
        validated = trainer.evaluate(trainer.train_dataset)
        found[loss_type] = [*sft.losses(trainer), validated["eval_loss"], validated["eval_bits_per_byte"]]
    assert found["chunked_nll"] == pytest.approx(found["nll"], rel=1e-6)


def test_a_model_that_scales_its_logits_keeps_the_plain_loss() -> None:
    from transformers import GraniteConfig, GraniteForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    for scaling, loss_type in ((4.0, "nll"), (1.0, "chunked_nll")):
        model = GraniteForCausalLM(GraniteConfig(vocab_size=64, logits_scaling=scaling, **sizes))
        assert engine("transformers").loss_type(model) == loss_type


def test_other_positions_than_the_stored_ones_are_refused(twins: Twins) -> None:
    spec = LoadSpec(twins("llama2").bits16, "float32", False, 128)
    model = load(spec).get_base_model()
    modules.check_loaded(model, spec)
    model.config.rope_parameters = {**model.config.rope_parameters, "rope_type": "linear", "factor": 2.0}
    with pytest.raises(EngineError, match="rope_parameters"):
        modules.check_loaded(model, spec)


def test_a_step_on_nothing_is_refused(twins: Twins, tmp_path: Path) -> None:
    spec = LoadSpec(twins("mistral").bits16, "float32", False, 64)
    said, steps = scenarios.masked(engine("transformers"), spec, tmp_path)
    assert said.startswith("step 2 has no token to train on") and steps == 1
