"""Which batches are chosen, and which overrides are offered, as memory shrinks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medft.cli import settings
from medft.errors import ConfigError
from medft.plan import fit
from medft.plan.fit import Memory, Recipe
from medft.plan.request import memory_of
from medft.training.config import TrainerConfig
from tests.plan.support import T4, machine, request, resolved

FAST = TrainerConfig(fit="auto", padding_free=True)
KINDS = ("off", "standard", "unsloth")


def memory(tmp_path: Path, *overrides: str) -> Memory:
    found = memory_of(request(tmp_path, "model=mistral", *overrides), resolved(), machine(T4))
    assert found is not None
    return found


def fastest(needs: Memory, gigabytes: float, devices: int = 1, trainer: TrainerConfig = FAST) -> Recipe:
    recipe = Recipe(trainer, "unsloth", in_4bit=True)
    return fit.fastest(recipe, KINDS, devices, int(gigabytes * 1e9), needs, lambda _: 4000, 100)


def test_with_room_nothing_is_recomputed_or_accumulated(tmp_path: Path) -> None:
    chosen = fastest(memory(tmp_path), 140)
    assert (chosen.trainer.per_device_batch_size, chosen.trainer.gradient_accumulation_steps) == (8, 1)
    assert chosen.checkpointing == "off"
    assert chosen.trainer.per_device_eval_batch_size == 32


@pytest.mark.parametrize("gigabytes", [6.5, 8, 10, 15, 22, 40, 80, 140])
@pytest.mark.parametrize("devices", [1, 2, 4])
def test_the_rows_of_a_step_stay_and_the_choice_fits(tmp_path: Path, gigabytes: float, devices: int) -> None:
    needs = memory(tmp_path)
    chosen = fastest(needs, gigabytes, devices)
    trainer = chosen.trainer
    assert trainer.per_device_batch_size * trainer.gradient_accumulation_steps * devices == 8
    assert needs(chosen).needed <= gigabytes * 1e9
    assert chosen == fastest(needs, gigabytes, devices), "the choice is not the same twice"
    untouched = {"per_device_batch_size", "gradient_accumulation_steps", "per_device_eval_batch_size"}
    for name in set(TrainerConfig.__dataclass_fields__) - untouched:
        assert getattr(trainer, name) == getattr(FAST, name)


def test_less_memory_never_costs_less(tmp_path: Path) -> None:
    needs = memory(tmp_path)
    costs = [fit._cost(fastest(needs, gigabytes), 4000, 100) for gigabytes in (6.5, 8, 15, 40, 140)]
    assert costs == sorted(costs, reverse=True)


def test_where_nothing_fits_the_smallest_is_tried(tmp_path: Path) -> None:
    chosen = fastest(memory(tmp_path), 1)
    assert chosen.trainer.per_device_batch_size == 1 and chosen.checkpointing == "unsloth"
    assert chosen.trainer.per_device_eval_batch_size == 1


def test_rows_that_cannot_be_dealt_out_evenly_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="8 rows a step cannot be dealt out evenly to 3 GPUs"):
        fastest(memory(tmp_path), 40, devices=3)


def test_remedies_leave_the_mathematics_alone_first(tmp_path: Path) -> None:
    needs = memory(tmp_path)
    recipe = Recipe(TrainerConfig(optimizer="paged_adamw_32bit"), "off", in_4bit=True)
    overrides, enough = fit.remedies(recipe, int(8e9), needs, offloads=True)
    assert enough and overrides == ["engine.gradient_checkpointing=unsloth"]
    overrides, enough = fit.remedies(recipe, int(5.7e9), needs, offloads=True)
    assert enough and overrides[:3] == [
        "engine.gradient_checkpointing=unsloth",
        "trainer.per_device_batch_size=1",
        "trainer.gradient_accumulation_steps=8",
    ]


def test_remedies_together_do_what_they_promise(tmp_path: Path) -> None:
    needs = memory(tmp_path, "engine.load_in_4bit=false")
    recipe = Recipe(TrainerConfig(), "off", in_4bit=False)
    overrides, enough = fit.remedies(recipe, int(6.2e9), needs, offloads=False)
    assert enough and "engine.load_in_4bit=true" in overrides
    values = dict(override.split("=") for override in overrides)
    changed = {
        key.removeprefix("trainer."): int(value)
        for key, value in values.items()
        if key.startswith("trainer.") and value.isdigit()
    }
    trainer = replace(recipe.trainer, **changed)  # type: ignore[arg-type]
    assert needs(Recipe(trainer, "standard", in_4bit=True)).needed <= 6.2e9


def test_what_cannot_fit_is_said_to(tmp_path: Path) -> None:
    overrides, enough = fit.remedies(
        Recipe(FAST, "off", in_4bit=True), 10**9, memory(tmp_path), offloads=True
    )
    assert not enough and overrides


def test_a_micro_batch_costs_more_tokens_the_faster_the_gpu() -> None:
    shape = settings("train", ["model=mistral"]).model.shape
    t4, h200 = (fit.batch_price(shape, peak, on_gpu=True) for peak in (65e12, 989e12))
    assert 100 < t4 < 150 < h200 < 1000
    assert fit.batch_price(shape, None, on_gpu=True) == 100
    assert fit.batch_price(shape, None, on_gpu=False) > t4
