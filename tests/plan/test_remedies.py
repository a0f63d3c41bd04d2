"""Which overrides are offered where a run does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medft.plan.fit import Recipe
from medft.plan.remedies import remedies
from medft.training.config import TrainerConfig
from tests.plan.test_fit import FAST, memory


def test_remedies_leave_the_mathematics_alone_first(tmp_path: Path) -> None:
    needs = memory(tmp_path)
    recipe = Recipe(TrainerConfig(optimizer="paged_adamw_32bit"), "off", in_4bit=True)
    overrides, enough = remedies(recipe, int(8e9), needs, offloads=True)
    assert enough and overrides == ["engine.gradient_checkpointing=unsloth"]
    overrides, enough = remedies(recipe, int(5.7e9), needs, offloads=True)
    assert enough and overrides[:3] == [
        "engine.gradient_checkpointing=unsloth",
        "trainer.per_device_batch_size=1",
        "trainer.gradient_accumulation_steps=8",
    ]


def test_remedies_together_do_what_they_promise(tmp_path: Path) -> None:
    needs = memory(tmp_path, "engine.load_in_4bit=false")
    recipe = Recipe(TrainerConfig(), "off", in_4bit=False)
    overrides, enough = remedies(recipe, int(6.2e9), needs, offloads=False)
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
    overrides, enough = remedies(Recipe(FAST, "off", in_4bit=True), 10**9, memory(tmp_path), offloads=True)
    assert not enough and overrides
