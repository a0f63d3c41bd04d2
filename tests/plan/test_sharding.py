"""A base of 70B weights on two and four GPUs of 24 GB, two of 48 and one of 80: held in shares where one GPU
cannot hold it, and what each of them then needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft.engine.unsloth_engine import UnslothEngine
from medft.errors import ConfigError, EngineError
from medft.machine import Machine, _gpus
from medft.plan.lengths import Lengths
from medft.plan.plan import make
from medft.plan.resolve import resolve
from medft.plan.result import Plan
from tests.plan.support import CPU, machine, request
from tests.support.drivers import MACHINES

CARDS = {24: "mixed", 48: "48 GB", 80: "80 GB"}


def cards(count: int, gigabytes: int) -> Machine:
    return machine(*_gpus(*MACHINES[CARDS[gigabytes]].libraries())[:1] * count)


@pytest.fixture(autouse=True)
def unsloth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UnslothEngine, "why_not", lambda self: None)
    monkeypatch.setattr("medft.plan.plan.free_bytes", lambda folder: 10**12)


def planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: Machine, processes: int, *overrides: str
) -> Plan:
    """One row of 2,048 tokens at a time."""
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    asked = request(
        tmp_path, "model=llama3_3_70b", "trainer.per_device_batch_size=1",
        "trainer.per_device_eval_batch_size=1", *overrides,
        lengths=Lengths((2048,) * 100, (1000,), (1000,), exact=True), devices=processes,
    )  # fmt: skip
    return make(asked, resolve(asked.model, asked.engine, "auto", there), there)


def short_of_memory(plan: Plan) -> list[str]:
    """The remedies."""
    return [problem.remedy for problem in plan.problems if "of memory, but" in problem.what]


@pytest.mark.parametrize(
    ("count", "gigabytes", "sharding", "fits"),
    [(2, 24, "fsdp", False), (4, 24, "fsdp", True), (2, 48, "none", True), (1, 80, "none", True)],
)
def test_a_base_is_held_in_shares_where_one_gpu_cannot_hold_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, gigabytes: int, sharding: str, fits: bool
) -> None:
    plan = planned(tmp_path, monkeypatch, cards(count, gigabytes), count)
    assert plan.resolved.sharding == sharding
    assert plan.resolved.engine == ("transformers" if sharding == "fsdp" else "unsloth")
    assert plan.memory is not None and (plan.memory.needed <= plan.memory_free) is fits
    said = short_of_memory(plan)
    assert bool(said) is not fits
    assert fits or "larger or more GPUs" in said[0]
    if sharding == "fsdp":
        why, engine = (plan.resolved.reasons[name] for name in ("sharding", "engine"))
        assert "the base takes 40.1 GB" in why and f"each of {count} GPUs" in why
        assert "does not shard in medft" in engine and plan.trainer.optimizer == "adamw_torch"
        assert plan.seconds is None  # nobody knows what joins the GPUs


def test_what_each_gpu_needs_falls_with_their_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = [
        planned(tmp_path, monkeypatch, cards(count, 48), count, "engine.sharding=fsdp") for count in (2, 4, 8)
    ]
    memory = [plan.memory for plan in plans if plan.memory is not None]
    weights = (
        70_553_706_496  # of the model, 68,451,041,280 of them in 4 bits, each with 1/64 + 1/4096 of a byte
    )
    scales = 68_451_041_280 * (1 / 64 + 1 / 4096)
    shared = 68_451_041_280 / 2 + 2 * (weights - 68_451_041_280)
    for count, each in zip((2, 4, 8), memory, strict=True):
        assert each.weights == pytest.approx(shared / count + scales, rel=1e-6)
        assert each.adapter == 4 * 207_093_760 // count == each.gradients == each.optimizer // 2
    blocks, head = 3 * 68_451_041_280 // 80 // 2, 2 * 128_256 * 8_192
    assert {each.gathered for each in memory} == {blocks + head}
    assert all(each.held == each.weights + 4 * each.adapter for each in memory)


def test_one_process_is_told_of_the_other_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (alone,) = short_of_memory(planned(tmp_path, monkeypatch, cards(4, 24), 1))
    assert alone.startswith(
        "torchrun --standalone --nproc_per_node=4 -m medft train ... engine.sharding=fsdp"
    )
    (copies,) = short_of_memory(planned(tmp_path, monkeypatch, cards(4, 24), 4, "engine.sharding=none"))
    assert copies.startswith("engine.sharding=fsdp, so that each of 4 GPUs")
    for too_few in (cards(1, 24), cards(2, 24)):
        (no_way,) = short_of_memory(planned(tmp_path, monkeypatch, too_few, 1))
        assert "sharding" not in no_way


def test_what_cannot_be_is_refused_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="between processes, but there is only one") as one:
        planned(tmp_path, monkeypatch, CPU, 1, "engine.sharding=fsdp")
    assert "make train GPUS=4" in one.value.remedy
    with pytest.raises(EngineError, match="accelerate's launcher") as two:
        planned(tmp_path, monkeypatch, cards(4, 24), 4, "engine=unsloth")
    assert two.value.remedy == "engine=transformers, or engine=auto"
