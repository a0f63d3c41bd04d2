"""Whole plans, on machines that are described and not present."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from medft.data.record import SPLITS
from medft.errors import EngineError
from medft.machine import Machine, _gpus
from medft.models.registry import ShapeConfig
from medft.plan.lengths import Lengths, bound
from medft.plan.plan import at_speed, make
from medft.plan.result import Plan
from medft.plan.speed import Speed
from tests.plan.support import A100, CPU, H200, T4, machine, request, resolved
from tests.support.drivers import MACHINES

UNLISTED = replace(T4, name="NVIDIA T400 4GB")


def plan(
    tmp_path: Path, there: Machine, *overrides: str, lengths: Lengths | None = None, devices: int = 1
) -> Plan:
    wanted = request(tmp_path, "model=mistral", *overrides, lengths=lengths, devices=devices)
    on_cpu = {"engine": "transformers", "gradient_checkpointing": "off"} if not there.gpus else {}
    asked = wanted.engine.load_in_4bit
    return make(wanted, resolved(load_in_4bit=asked is not False, **on_cpu), there)


def test_a_plan_counts_steps_rows_and_tokens(tmp_path: Path) -> None:
    rows = Lengths((100,) * 80, (50,) * 10, (), exact=True)
    found = plan(tmp_path, machine(T4), "trainer=published", lengths=rows)
    assert (found.schedule.steps, found.schedule.rows_per_step, found.tokens) == (10, 8, 8000)
    assert found.line.startswith("10 steps x 8 rows, 8k tokens, ")
    two = plan(tmp_path, machine(T4, T4), "trainer=published", lengths=rows, devices=2)
    assert (two.schedule.steps, two.schedule.rows_per_step, two.tokens) == (5, 16, 8000)
    some = plan(tmp_path, machine(T4), "trainer=published", "trainer.max_steps=15", lengths=rows)
    assert some.tokens == 12000


def test_the_published_recipe_fits_a_t4(tmp_path: Path) -> None:
    found = plan(tmp_path, machine(T4), "trainer=published")
    assert found.problems == ()
    assert found.memory is not None and 5e9 < found.memory.needed < 8e9


def test_fast_takes_the_memory_there_is_and_leaves_the_rows_of_a_step(tmp_path: Path) -> None:
    busy = replace(T4, free_bytes=8 * 10**9)
    small, large = (plan(tmp_path, machine(gpu), "trainer=fast") for gpu in (busy, H200))
    for found in (small, large):
        assert found.schedule.rows_per_step == 8 and found.problems == ()
        assert found.trainer.padding_free and found.padding_ratio == 1
        assert found.decisions[0].endswith("(experimental: computed, not yet measured on a GPU)")
    assert large.resolved.gradient_checkpointing == "off"
    assert large.resolved.reasons["gradient_checkpointing"] == "activations fit"
    assert small.resolved.gradient_checkpointing != "off"
    four = plan(tmp_path, machine(*[H200] * 4), "trainer=fast", devices=4)
    assert four.schedule.rows_per_step == 8


def test_checkpointing_that_was_asked_for_stays(tmp_path: Path) -> None:
    found = plan(tmp_path, machine(H200), "trainer=fast", "engine.gradient_checkpointing=unsloth")
    assert found.resolved.gradient_checkpointing == "unsloth"


def test_what_does_not_fit_is_refused_with_overrides(tmp_path: Path) -> None:
    found = plan(tmp_path, machine(T4), "trainer=published", "trainer.per_device_batch_size=64",
                 "engine.load_in_4bit=false")  # fmt: skip
    (problem,) = found.problems
    assert problem.certain and "Tesla T4" in problem.what
    assert "trainer.per_device_batch_size=" in problem.remedy and "engine.load_in_4bit=true" in problem.remedy
    with pytest.raises(EngineError, match="GB of memory") as error:
        found.demand_room()
    assert "preflight=false" in error.value.remedy


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_rows_beyond_the_window_of_the_base_are_refused(tmp_path: Path, split: str) -> None:
    rows = Lengths(**(dict.fromkeys(SPLITS, (20, 20)) | {split: (5000, 20)}), exact=True)
    beyond = request(tmp_path, "model=llama2", "trainer.max_length=8192", lengths=rows)
    found = make(beyond, resolved(), machine(H200))
    (problem,) = found.problems
    assert problem.what == "rows of up to 5,000 tokens, but the base was trained on at most 4,096"
    assert problem.remedy == "trainer.max_length=4096"
    with pytest.raises(EngineError, match="5,000 tokens"):
        found.demand_room(preflight=False)
    unknown = replace(beyond, lengths=bound({"train": 80, "validation": 0, "test": 0}, 8192))
    make(unknown, resolved(), machine(H200)).demand_room(preflight=False)
    within = request(tmp_path, "model=llama2", "trainer.max_length=4096", lengths=rows)
    assert make(within, resolved(), machine(H200)).problems == ()


def test_a_tight_fit_is_a_notice_and_no_refusal(tmp_path: Path) -> None:
    wanted = request(tmp_path, "model=mistral", "trainer=published")
    decided = resolved(engine="transformers", gradient_checkpointing="standard")
    roomy = make(wanted, decided, machine(T4))
    assert roomy.memory is not None
    tight = machine(replace(T4, free_bytes=int(roomy.memory.needed * 0.95)))
    found = make(wanted, decided, tight)
    assert [problem.certain for problem in found.problems] == [False]
    found.demand_room()


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medft.plan.plan.free_bytes", lambda folder: 10**9)
    found = plan(tmp_path, machine(T4), "trainer=published")
    assert [problem.certain for problem in found.problems] == [True]
    assert "writes 15." in found.problems[0].what and "merge=false" in found.problems[0].remedy


@pytest.mark.parametrize(
    ("asked", "runs"), [("paged_adamw_32bit", "adamw_torch"), ("paged_adamw_8bit", "adamw_8bit")]
)
def test_paged_optimizers_are_unpaged_without_a_gpu_and_it_is_said(
    tmp_path: Path, asked: str, runs: str
) -> None:
    found = plan(tmp_path, CPU, "trainer=published", f"trainer.optimizer={asked}")
    assert found.trainer.optimizer == runs
    assert any(asked in decision for decision in found.decisions)
    there = plan(tmp_path, machine(T4), "trainer=published", f"trainer.optimizer={asked}")
    assert there.trainer.optimizer == asked and "optimizer" not in there.resolved.reasons


def test_a_plan_of_unknown_rows_says_that_it_is_a_bound(tmp_path: Path) -> None:
    rows = bound({"train": 80, "validation": 8, "test": 8}, 2048)
    found = plan(tmp_path, machine(T4), "trainer=published", lengths=rows)
    assert "at most 164k tokens" in found.line and not found.exact


def test_an_unknown_architecture_has_no_figures_and_no_refusal(tmp_path: Path) -> None:
    wanted = request(tmp_path, "model=custom", "model.base=a/b", "trainer=fast")
    found = make(wanted, resolved(), machine(T4))
    assert (found.memory, found.disk, found.flops_per_token, found.problems) == (None, None, None, ())
    assert found.utilisation(1000, machine(T4)) is None


def test_a_plan_can_be_written_down(tmp_path: Path) -> None:
    found = plan(tmp_path, machine(H200), "trainer=fast")
    stored = json.loads(json.dumps(found.to_json()))
    assert stored["memory_needed"] == found.memory.needed  # type: ignore[union-attr]
    assert stored["trainer"]["per_device_batch_size"] == 8
    assert 0 < (found.utilisation(10_000, machine(H200)) or 0) < 1


def test_rows_are_joined_where_attention_keeps_them_apart_and_padded_where_that_costs_less(
    tmp_path: Path,
) -> None:
    small = ShapeConfig(64, 2, 4, 2, 16, 192, 2048, tie_word_embeddings=False)
    rows = Lengths(tuple(range(256, 176, -1)), (50,), (), exact=True)
    wanted = replace(request(tmp_path, "model=mistral", "trainer=fast", lengths=rows), shape=small)
    alone = {"engine": "transformers", "gradient_checkpointing": "off"}
    plain = make(wanted, resolved(**alone), machine(H200))
    fused = make(wanted, resolved(gradient_checkpointing="off"), machine(H200))
    by_rows = make(wanted, resolved(**alone), CPU, lambda: Speed(181e9, 43e9))
    assert not plain.trainer.padding_free and "padded" in plain.decisions[0]
    for found in (fused, by_rows):
        assert found.trainer.padding_free and "joined without padding" in found.decisions[0]
    for found in (plain, fused, by_rows):
        trainer = found.trainer
        assert trainer.per_device_batch_size * trainer.gradient_accumulation_steps == 8


def test_an_open_choice_of_padding_is_closed_for_an_unknown_model_and_said(tmp_path: Path) -> None:
    wanted = request(tmp_path, "model=custom", "model.base=a/b", "trainer=fast")
    found = make(wanted, resolved(), machine(T4))
    assert found.trainer.padding_free is False
    assert "this architecture is not known" in found.decisions[0]


def on_cpu(artifacts: Path, *overrides: str, there: Machine = CPU, lengths: Lengths | None = None) -> Plan:
    """The plan of SmolLM2-135M on a processor that computes 181 GFLOPS in bfloat16."""
    wanted = request(artifacts, "model=smollm2", "trainer=cpu", *overrides, lengths=lengths)
    on = resolved(engine="transformers", gradient_checkpointing="off", load_in_4bit=False)
    return make(wanted, on, there, lambda: Speed(bfloat16=181e9, float32=43e9))


def test_a_real_model_on_a_cpu_is_told_its_time_before_the_first_run(tmp_path: Path) -> None:
    rows = Lengths((260,) * 800, (260,) * 100, (260,) * 100, exact=True)
    found = on_cpu(tmp_path, "trainer.max_steps=60", lengths=rows)
    assert found.rate is not None and found.rate.run == "a measurement of this processor"
    assert found.seconds is not None and found.schedule.steps == 60 and found.problems == ()
    recomputed = resolved(engine="transformers", gradient_checkpointing="standard", load_in_4bit=False)
    asked = "engine.gradient_checkpointing=standard"
    wanted = request(tmp_path, "model=smollm2", "trainer=cpu", asked, lengths=rows)
    slower = make(wanted, recomputed, CPU, lambda: Speed(181e9, 43e9)).rate
    assert slower is not None
    assert slower.tokens_per_second == pytest.approx(found.rate.tokens_per_second / 1.5)


def test_the_preset_of_a_cpu_takes_as_many_steps_as_its_minutes_allow_and_says_so(tmp_path: Path) -> None:
    rows = Lengths((260,) * 8000, (260,) * 100, (260,) * 100, exact=True)
    found, faster = (make(request(tmp_path, "model=smollm2", "trainer=cpu", lengths=rows),
                          resolved(engine="transformers", gradient_checkpointing="off", load_in_4bit=False),
                          CPU, lambda gflops=gflops: Speed(gflops * 1e9, 43e9))
                     for gflops in (181, 362))  # fmt: skip
    assert found.seconds is not None and found.rate is not None and 9 * 60 < found.seconds <= 10 * 60
    assert found.trainer.max_steps == found.schedule.steps < faster.schedule.steps < 1000
    said = found.decisions[-1]
    assert said.startswith(f"{found.schedule.steps} of 1,000 steps: as many as fit into trainer.minutes=10")
    assert "tokens/s as in a measurement of this processor" in said
    asked = on_cpu(tmp_path, "trainer.max_steps=500", lengths=rows)
    assert asked.schedule.steps == 500 and "steps" not in asked.resolved.reasons
    half = at_speed(found, rows, found.rate.tokens_per_second / 2)
    assert 1 < half.schedule.steps < found.schedule.steps / 2  # judging takes twice as long too
    assert half.trainer.max_steps == half.schedule.steps and half.trainer.minutes == 10
    assert half.seconds == pytest.approx(found.seconds, rel=0.1) and half.tokens < 0.6 * found.tokens
    assert half.decisions[-1].endswith("tokens/s as in its own first batches")
    unknown = plan(tmp_path, machine(UNLISTED), "trainer=cpu", lengths=rows)
    said = unknown.resolved.reasons["steps"]
    assert unknown.schedule.steps == 1000 and "unknown until this model has run" in said


def test_float32_on_a_gpu_is_told_with_its_price(tmp_path: Path) -> None:
    wanted = request(tmp_path, "model=gemma", "trainer=published")
    (problem,) = make(wanted, resolved(dtype="float32"), machine(T4)).problems
    assert problem.what.startswith(
        "Tesla T4 computes about 8 times slower in float32 than in 16 bits (an est"
    )
    assert not problem.certain and "model=llama3_1" in problem.remedy
    (unlisted,) = make(wanted, resolved(dtype="float32"), machine(UNLISTED)).problems
    assert "several times slower" in unlisted.what
    assert make(wanted, resolved(dtype="bfloat16"), machine(H200)).problems == ()


def test_layers_that_the_model_seems_not_to_have_are_told(tmp_path: Path) -> None:
    found = plan(
        tmp_path, machine(H200), "trainer=fast", "lora.target_modules=[self_attn.q_proj,nope,lm.query]"
    )
    (problem,) = found.problems
    assert problem.what.endswith("seems not to have: nope, lm.query") and not problem.certain
    assert "q_proj, k_proj" in problem.remedy


def test_a_gpu_is_told_its_time_before_the_first_run_as_an_estimate(tmp_path: Path) -> None:
    rows = Lengths((1024,) * 4000, (), (), exact=True)
    found = plan(tmp_path, machine(A100), "model=llama2", "trainer=published", lengths=rows)
    # LLaMA-Factory's table of QLoRA and LoRA on Llama-2-7B with one A100: 2,556 to 4,050 tokens a second.
    assert found.rate is not None and 2556 < found.rate.tokens_per_second < 4050
    assert found.rate.words.endswith("an estimate (not measured): 40% of the arithmetic of "
                                     "NVIDIA A100-SXM4-40GB in bfloat16")  # fmt: skip
    assert found.seconds == pytest.approx(found.tokens / found.rate.tokens_per_second)
    two = plan(
        tmp_path, machine(A100, A100), "trainer=published", "model=llama2", lengths=rows, devices=2
    ).rate
    assert two is not None
    assert two.tokens_per_second == pytest.approx(2 * found.rate.tokens_per_second)
    unlisted = plan(tmp_path, machine(UNLISTED), "trainer=published", lengths=rows)
    assert unlisted.seconds is None and "about" not in unlisted.line


def test_days_on_a_cpu_are_told_of_with_a_way_out(tmp_path: Path) -> None:
    (problem,) = on_cpu(tmp_path, "trainer.max_steps=100000").problems
    assert "days on this CPU" in problem.what and not problem.certain
    steps, machines = problem.remedy.split(", ")
    assert machines == "or a machine with a GPU"
    hour = on_cpu(tmp_path, steps.split(" ")[0])
    assert hour.problems == () and hour.seconds == pytest.approx(3600, rel=0.3)  # it validates less often
    larger = on_cpu(tmp_path, "model=qwen3_0_6b", "trainer.max_steps=100000").problems
    assert "a smaller model (model=smollm2), trainer.max_steps=" in larger[0].remedy


def test_a_model_larger_than_the_memory_of_a_cpu_has_a_way_out(tmp_path: Path) -> None:
    found = on_cpu(tmp_path, "model=llama3_1", "model.shape.num_hidden_layers=400", "merge=false").problems
    memory = found[-1]
    assert "days" in found[0].what
    assert memory.certain and "GB of memory, but this machine has only 12.0 GB free" in memory.what
    assert "engine.load_in_4bit=true" in memory.remedy
    assert memory.remedy.endswith(
        "is not enough: a smaller model (model=smollm2), or a machine with more memory or a GPU"
    )


def test_activations_that_do_not_fit_a_cpu_are_recomputed(tmp_path: Path) -> None:
    rows = Lengths((384,) * 800, (), (), exact=True)
    small = replace(CPU, ram_available=3 * 10**9)
    as_written = ("trainer.fit=off", "trainer.padding_free=true", "trainer.per_device_batch_size=8")
    found = on_cpu(tmp_path, *as_written, there=small, lengths=rows)
    assert found.resolved.gradient_checkpointing == "standard"
    assert found.resolved.reasons["gradient_checkpointing"] == "activations would not fit otherwise"
    kept = on_cpu(tmp_path, *as_written, "engine.gradient_checkpointing=off", there=small, lengths=rows)
    assert kept.resolved.gradient_checkpointing == "off" and kept.problems
    dealt = on_cpu(tmp_path, there=small, lengths=rows)
    assert dealt.resolved.gradient_checkpointing == "off" and dealt.problems == ()
    assert dealt.trainer.per_device_batch_size < 8 == dealt.schedule.rows_per_step
    assert on_cpu(tmp_path, lengths=rows).resolved.gradient_checkpointing == "off"


UNKNOWN = "the free memory of {} is unknown: assuming all of it"
CLOSED = "Tesla V100-PCIE-16GB is in a compute mode that no process may use"
GOLDEN = {  # model=mistral trainer=published: free memory, what is said, whether it is refused
    "t4": (15_140_000_000, [], False),
    "exclusive": (83_900_000_000, [], False),
    "prohibited": (
        16_100_000_000,
        [CLOSED],
        True,
    ),
    "mig": (20_400_000_000, [], False),
    "mixed": (24_400_000_000, [], False),
    "no nvml": (
        15_328_320_256,
        [UNKNOWN.format("Tesla T4")],
        False,
    ),
    "not told": (
        64_500_000_000,
        [UNKNOWN.format("Orin")],
        False,
    ),
    "eight": (149_100_000_000, [], False),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_plans_on_recorded_machines(tmp_path: Path, name: str) -> None:
    free, said, refused = GOLDEN[name]
    found = plan(tmp_path, machine(*_gpus(*MACHINES[name].libraries())), "trainer=published")
    assert found.memory_free == free
    assert [problem.what for problem in found.problems] == said
    assert any(problem.certain for problem in found.problems) is refused


def test_gpus_that_differ_are_told_of_where_they_train_together(tmp_path: Path) -> None:
    there = machine(*_gpus(*MACHINES["mixed"].libraries()))
    found = plan(tmp_path, there, "trainer=published", devices=2)
    assert found.memory_free == 11_000_000_000
    assert [problem.what.split(":")[0] for problem in found.problems] == [
        "the GPUs differ (NVIDIA GeForce GTX 1080 Ti, NVIDIA GeForce RTX 4090)"
    ]


def test_dropout_changes_no_memory_and_float32_does(tmp_path: Path) -> None:
    dry, wet = (plan(tmp_path, machine(T4), f"lora.dropout={rate}").memory for rate in (0, 0.1))
    assert dry == wet
    wanted, kept = request(tmp_path, "model=gemma"), {}
    for kind in ("bfloat16", "float32"):  # without fused kernels and autocast, far more than twice as much
        found = make(wanted, resolved(dtype=kind, gradient_checkpointing="off"), machine(H200)).memory
        kept[kind] = found.activations if found else 0
    assert kept["float32"] > 3 * kept["bfloat16"] > 0
