"""trainer=fast changes how the rows of a step are computed, and not what they come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medft.engine import engine
from medft.engine.base import LoadSpec, LoraConfig
from medft.models.tiny import Twin
from medft.plan.lengths import Lengths
from medft.plan.plan import make
from medft.plan.result import Plan
from medft.plan.shape import read_shape
from tests.plan.support import CPU, request, resolved
from tests.support import sft

ROWS = sft.rows(20)  # two steps of eight rows and one of four


def planned(base: Path, folder: Path, preset: str, ram: int = CPU.ram_available) -> Plan:
    lengths = Lengths(
        tuple(sorted((len(row["input_ids"]) for row in ROWS), reverse=True)), (30,), (), exact=True
    )
    wanted = replace(
        request(folder, "model=mistral", f"trainer={preset}", lengths=lengths), shape=read_shape(base)
    )
    decided = resolved(engine="transformers", scale="tiny", dtype="float32", gradient_checkpointing="off")
    return make(wanted, decided, replace(CPU, ram_available=ram))


def trained(base: Path, folder: Path, plan: Plan) -> list[float]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    spec = LoadSpec(base, "float32", load_in_4bit=True, max_length=128,
                    gradient_checkpointing=plan.resolved.gradient_checkpointing)  # fmt: skip
    model = engine("transformers").load_for_training(spec, LoraConfig(), tokenizer, seed=3)
    recipe = {name: getattr(plan.trainer, name) for name in
              ("per_device_batch_size", "gradient_accumulation_steps", "padding_free")}  # fmt: skip
    trainer = sft.trainer(model, tokenizer, ROWS, folder, logging_steps=1, **recipe)
    engine("transformers").separate_examples(trainer)
    trainer.train()
    return sft.losses(trainer)


@pytest.fixture(scope="module")
def base(twins: Callable[[Any], Twin]) -> Path:
    return twins("mistral").nf4


@pytest.fixture(scope="module")
def published(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    folder = tmp_path_factory.mktemp("published")
    return trained(base, folder, planned(base, folder, "published"))


def test_with_room_a_step_is_one_batch_without_padding_and_gives_the_published_losses(
    base: Path, tmp_path: Path, published: list[float]
) -> None:
    plan = planned(base, tmp_path, "fast")
    trainer = plan.trainer
    assert (trainer.per_device_batch_size, trainer.gradient_accumulation_steps) == (8, 1)
    assert trainer.padding_free and plan.resolved.gradient_checkpointing == "off"
    assert trained(base, tmp_path, plan) == pytest.approx(published, rel=1e-4)


def test_without_room_a_step_is_several_recomputed_batches_and_gives_the_same(
    base: Path, tmp_path: Path, published: list[float]
) -> None:
    plan = planned(base, tmp_path, "fast", ram=10**9)
    trainer = plan.trainer
    assert (trainer.per_device_batch_size, trainer.gradient_accumulation_steps) == (1, 8)
    assert plan.resolved.gradient_checkpointing == "standard"
    assert trained(base, tmp_path, plan) == pytest.approx(published, rel=1e-4)
