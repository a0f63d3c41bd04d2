"""How long a training takes, and how many steps fit a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medft.plan.budget import Work, most_steps
from medft.plan.lengths import Lengths
from medft.plan.rate import Rate
from medft.training.config import TrainerConfig

ROWS = Lengths((100,) * 800, (50,) * 100, (50,) * 100, exact=True)
RECIPE = TrainerConfig(
    per_device_batch_size=8, gradient_accumulation_steps=1, validation_rows=20, test_rows=40
)
WORK = Work(RECIPE, ROWS, 1, "off")
RATE = Rate(200.0, "a measurement")


def test_the_time_is_that_of_every_pass() -> None:
    """100 steps of 800 tokens; before them and ten times on the way 20 rows of 50; at the end 40, twice."""
    assert (WORK.schedule.steps, WORK.trained) == (100, 80_000)
    assert WORK.judged == 11 * 20 * 50 + 2 * 40 * 50
    assert WORK.seconds(RATE) == pytest.approx((80_000 + 15_000 / 2) / 200)
    recomputed = replace(WORK, checkpointing="standard")
    assert recomputed.seconds(RATE) == pytest.approx((80_000 + 15_000 / 3) / 200)


@pytest.mark.parametrize("minutes", [0.5, 1.0, 3.0, 7.0])
def test_as_many_steps_are_taken_as_fit(minutes: float) -> None:
    steps = most_steps(WORK, RATE, minutes)
    took, longer = (replace(WORK, trainer=replace(RECIPE, max_steps=n)).seconds(RATE)
                    for n in (steps, steps + 1))  # fmt: skip
    assert took <= 60 * minutes < longer


def test_there_is_at_least_one_step_and_at_most_the_epochs() -> None:
    assert most_steps(WORK, RATE, 0.001) == 1
    assert most_steps(WORK, RATE, 600) == 100
    assert most_steps(replace(WORK, trainer=replace(RECIPE, epochs=2.0)), RATE, 600) == 200
