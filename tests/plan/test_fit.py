"""Which batches are chosen as memory shrinks."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft.errors import ConfigError
from medft.plan import fit
from medft.plan.cost import step_cost
from medft.plan.fit import Memory, Recipe
from medft.plan.request import memory_of
from medft.training.config import TrainerConfig
from tests.plan.support import T4, machine, request, resolved

FAST = TrainerConfig(fit="auto", padding_free=True)
KINDS = ("off", "standard", "unsloth")
COST = step_cost((500,) * 16, None, None, "bfloat16", machine(T4), varlen=True)


def memory(tmp_path: Path, *overrides: str) -> Memory:
    found = memory_of(request(tmp_path, "model=mistral", *overrides), resolved(), machine(T4))
    assert found is not None
    return found


def fastest(needs: Memory, gigabytes: float, devices: int = 1, trainer: TrainerConfig = FAST) -> Recipe:
    recipe = Recipe(trainer, "unsloth", in_4bit=True)
    return fit.fastest(recipe, KINDS, devices, int(gigabytes * 1e9), needs, COST)


def test_with_room_nothing_is_recomputed_or_accumulated(tmp_path: Path) -> None:
    chosen = fastest(memory(tmp_path), 140)
    assert (chosen.trainer.per_device_batch_size, chosen.trainer.gradient_accumulation_steps) == (8, 1)
    assert chosen.checkpointing == "off"
    assert chosen.trainer.per_device_eval_batch_size == 32


@pytest.mark.parametrize("gigabytes", [7, 8, 10, 15, 22, 40, 80, 140])
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
    costs = [COST(fastest(needs, gigabytes)) for gigabytes in (7, 8, 15, 40, 140)]
    assert costs == sorted(costs, reverse=True)


def test_where_nothing_fits_the_smallest_is_tried(tmp_path: Path) -> None:
    chosen = fastest(memory(tmp_path), 1)
    assert chosen.trainer.per_device_batch_size == 1 and chosen.checkpointing == "unsloth"
    assert chosen.trainer.per_device_eval_batch_size == 1


def test_rows_that_cannot_be_dealt_out_evenly_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="8 rows per step cannot be divided evenly among 3 GPUs"):
        fastest(memory(tmp_path), 40, devices=3)
