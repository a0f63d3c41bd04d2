"""What a step is taken to cost, against reckoning by hand, and what is chosen for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from medft.compose import settings
from medft.plan.cost import batch_price, padding_of, step_cost
from medft.plan.fit import Recipe
from medft.training.config import TrainerConfig
from tests.plan.support import CPU, H200, T4, machine

PADDED = TrainerConfig(per_device_batch_size=4, gradient_accumulation_steps=2)
JOINED = replace(PADDED, padding_free=True)
SHAPE = settings("train", ["model=mistral"]).model.shape


def cost(trainer: TrainerConfig, rows: Any = (300, 100), shape: Any = None, **given: Any) -> float:
    values = {"dtype": "bfloat16", "machine": machine(T4), "varlen": False} | given
    return step_cost(rows, shape, 40_000_000, **values)(Recipe(trainer, "off", in_4bit=True))


def test_without_attention_a_step_costs_its_tokens_and_a_price_per_batch() -> None:
    # Of four rows drawn from {100, 300} the longest is 300 but for once in 16.
    longest = 300 - 200 / 16
    assert padding_of(PADDED, (300, 100)) == pytest.approx(longest / 200)
    assert cost(PADDED) == pytest.approx(2 * (8 * longest + 2 * 100))
    assert cost(JOINED) == pytest.approx(2 * (8 * 200 + 2 * 100))


def test_plain_attention_pays_for_the_whole_square_of_joined_rows() -> None:
    rows = (250,) * 16  # nothing is padded
    assert cost(PADDED, rows, SHAPE) < cost(JOINED, rows, SHAPE)
    assert cost(PADDED, rows, SHAPE, varlen=True) == pytest.approx(cost(JOINED, rows, SHAPE, varlen=True))
    uneven = (2000,) + (100,) * 15
    assert cost(JOINED, uneven, SHAPE) < cost(PADDED, uneven, SHAPE)


def test_grouped_rows_are_not_padded() -> None:
    assert padding_of(replace(PADDED, group_by_length=True), (300, 100)) == 1


def test_a_micro_batch_costs_more_tokens_the_faster_the_gpu() -> None:
    t4, h200 = (batch_price(SHAPE, "bfloat16", machine(gpu)) for gpu in (T4, H200))
    assert 100 < t4 < 150 < h200 < 1000
    assert batch_price(SHAPE, "float32", machine(T4)) == pytest.approx(103.6, abs=0.1)
    assert batch_price(SHAPE, "bfloat16", CPU) > t4
