"""The recipes per card fit the cards they are for, and their comments give the plan's present figures.

No GPU is asked: memory and time are the plan's arithmetic, for machines as their drivers describe them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medft.engine.unsloth_engine import UnslothEngine
from medft.format import duration, size
from medft.machine import Machine, _gpus
from medft.paths import conf_dir
from medft.plan.lengths import Lengths
from medft.plan.plan import make
from medft.plan.resolve import resolve
from medft.plan.result import Plan
from tests.plan.support import machine, request
from tests.support.drivers import MACHINES

CARDS = {
    "gpu_16gb": ("t4",),
    "gpu_24gb": ("mixed",),
    "gpu_40gb": ("40 GB", "80 GB", "eight"),
}  # the first GPU of each
FAMILIES = ("gemma", "llama2", "mistral", "llama3_1")


def there(recorded: str) -> Machine:
    return machine(*_gpus(*MACHINES[recorded].libraries())[:1])


def planned(tmp_path: Path, recipe: str, family: str, recorded: str) -> Plan:
    """Of 2,000 rows as the comments describe them."""
    asked = request(tmp_path, f"model={family}", f"experiment={recipe}")
    rows = (asked.trainer.max_length,) * 100 + tuple(600 - 500 * number // 1899 for number in range(1900))
    wanted = replace(asked, lengths=Lengths(rows, rows[::8], rows[::8], exact=True))
    return make(wanted, resolve(wanted.model, wanted.engine, "auto", there(recorded)), there(recorded))


def line(family: str, plan: Plan) -> str:
    trainer, memory = plan.trainer, plan.memory
    assert memory is not None
    weights = "4-bit" if plan.resolved.load_in_4bit else "16-bit"
    batch = f"{trainer.per_device_batch_size} x {trainer.gradient_accumulation_steps}"
    return (
        f"#   {family:<9} {weights} base, {plan.resolved.dtype:<8}  {batch} rows, recompute "
        f"{plan.resolved.gradient_checkpointing:<8}  {size(memory.needed):>7}  {duration(plan.seconds)}"
    )


@pytest.mark.parametrize("recipe", CARDS)
def test_a_recipe_fits_its_cards_and_says_the_plans_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    monkeypatch.setattr(UnslothEngine, "why_not", lambda self: None)
    monkeypatch.setattr("medft.plan.plan.free_bytes", lambda folder: 10**12)
    wanted = []
    for recorded in CARDS[recipe]:
        gpu = there(recorded).gpus[0]
        wanted.append(f"# {gpu.name}, {size(gpu.free_bytes)} free:")
        for family in FAMILIES:
            found = planned(tmp_path, recipe, family, recorded)
            said = [problem.what.split(" (")[0] for problem in found.problems]
            slow = ["Tesla T4 computes about 8 times slower in float32 than in 16 bits"]
            assert said == (slow if (family, recorded) == ("gemma", "t4") else []), (family, recorded)
            assert found.schedule.rows_per_step == 8 and found.schedule.steps == 250
            assert found.memory is not None and found.memory.needed <= 0.9 * found.memory_free
            wanted.append(line(family, found))
    text = (conf_dir() / "experiment" / f"{recipe}.yaml").read_text(encoding="utf-8")
    said = [each for each in text.splitlines() if each in wanted or each.startswith(("#   ", "# NVIDIA"))]
    assert said == wanted, "\n".join(["the figures should be", *wanted])
    assert "not measured" in text
