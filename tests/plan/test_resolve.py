"""What settings and machine come to: the whole table of decisions, refusals included."""

from __future__ import annotations

import pytest

from medft.compose import settings
from medft.engine.unsloth_engine import UnslothEngine
from medft.errors import ConfigError, EngineError
from medft.machine import Machine
from medft.plan.resolve import Resolved, resolve
from medft.plan.speed import Speed
from tests.plan.support import CPU, H200, P100, T4, machine

SPEED = Speed(bfloat16=180e9, float32=45e9)


def decide(machine_: Machine, *overrides: str) -> Resolved:
    config = settings("train", overrides)
    return resolve(config.model, config.engine, config.scale, machine_, lambda: SPEED)


@pytest.fixture(autouse=True)
def unsloth_judges_the_same_machine(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Unsloth's own ``why_not`` asks the real machine: let it see the one of the test."""
    there = request.node.callspec.params.get("there", CPU) if hasattr(request.node, "callspec") else CPU
    monkeypatch.setattr("medft.engine.unsloth_engine.probe", lambda: there)
    monkeypatch.setattr("medft.engine.toolchain.uncompilable", lambda: None)


@pytest.mark.parametrize(
    ("there", "overrides", "expected"),
    [
        (CPU, [], ("transformers", "tiny", "bfloat16", "off")),
        (CPU, ["scale=tiny", "engine=transformers"], ("transformers", "tiny", "bfloat16", "off")),
        (CPU, ["model=gemma"], ("transformers", "tiny", "bfloat16", "off")),
        (CPU, ["model.dtype=float32"], ("transformers", "tiny", "float32", "off")),
        (machine(H200), [], ("unsloth", "full", "bfloat16", "unsloth")),
        (machine(H200), ["engine=transformers"], ("transformers", "full", "bfloat16", "standard")),
        (machine(H200), ["scale=tiny"], ("unsloth", "tiny", "bfloat16", "off")),
        (machine(H200, T4), [], ("unsloth", "full", "bfloat16", "unsloth")),  # one process uses the first
        (machine(T4, H200), [], ("unsloth", "full", "float16", "unsloth")),
        (machine(H200, P100), [], ("unsloth", "full", "bfloat16", "unsloth")),
        (machine(T4), [], ("unsloth", "full", "float16", "unsloth")),
        (machine(T4), ["model=gemma"], ("unsloth", "full", "float32", "unsloth")),
        (machine(P100), [], ("transformers", "full", "float16", "standard")),
        (
            machine(H200),
            ["engine.gradient_checkpointing=standard"],
            ("unsloth", "full", "bfloat16", "standard"),
        ),
        (machine(H200), ["engine.gradient_checkpointing=off"], ("unsloth", "full", "bfloat16", "off")),
    ],
)
def test_decisions(there: Machine, overrides: list[str], expected: tuple[str, ...]) -> None:
    found = decide(there, *overrides)
    assert (found.engine, found.scale, found.dtype, found.gradient_checkpointing) == expected
    assert set(found.reasons) == {"engine", "scale", "dtype", "gradient_checkpointing", "load_in_4bit"}
    assert all(found.reasons.values()), "a decision without a reason"


@pytest.mark.parametrize(
    ("overrides", "scale"),
    [
        (["model=smollm2"], "full"),  # 135M weights
        (["model=mistral"], "tiny"),
        (["model=mistral", "scale=full"], "full"),
        (["model=custom", "model.base=a/b"], "full"),  # has no twin
        (["model=custom", "model.base=a/b", "model.family=mistral"], "tiny"),
        (["model=mistral", "model.shape.num_hidden_layers=1"], "tiny"),  # 480M
        (["model=gemma_2b", "model.shape.num_hidden_layers=1", "model.shape.vocab_size=9"], "full"),
    ],
)
def test_without_a_gpu_size_decides(overrides: list[str], scale: str) -> None:
    found = decide(CPU, *overrides)
    assert found.scale == scale
    assert found.load_in_4bit is (scale == "tiny")
    assert found.gradient_checkpointing == "off"


def test_on_a_cpu_a_real_model_computes_in_the_faster_type() -> None:
    config = settings("train", ["model=smollm2"])
    for speed, dtype in (
        (SPEED, "bfloat16"),
        (Speed(20e9, 43e9), "float32"),
        (Speed(40e9, 40e9), "bfloat16"),
    ):
        found = resolve(config.model, config.engine, config.scale, CPU, lambda speed=speed: speed)
        assert found.dtype == dtype
        assert str(speed) in found.reasons["dtype"]
    assert decide(CPU, "model=smollm2", "model.dtype=float32").dtype == "float32"


@pytest.mark.parametrize("there", [CPU, machine(H200)])
@pytest.mark.parametrize("wanted", ["true", "false"])
def test_four_bits_are_taken_where_they_are_asked_for(there: Machine, wanted: str) -> None:
    found = decide(there, "model=smollm2", f"engine.load_in_4bit={wanted}")
    assert found.load_in_4bit is (wanted == "true")


@pytest.mark.parametrize("there", [machine(H200)])
def test_a_gpu_takes_the_real_model_in_4_bits(there: Machine) -> None:
    for model in ("mistral", "smollm2"):
        assert decide(there, f"model={model}").scale == "full"
        assert decide(there, f"model={model}").load_in_4bit


def test_the_composed_defaults_follow_the_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, model, dataset, trainer, name in (
        (CPU, "smollm2", "sample", "cpu", "smollm2-sample-medical_qa"),
        (CPU, "mistral", "sample", "smoke", "mistral-tiny-sample-medical_qa"),
        (machine(H200), "smollm2", "wikidoc_medquad", "published", "smollm2-wikidoc_medquad-medical_qa"),
    ):
        monkeypatch.setattr("medft.compose.probe", lambda there=there: there)
        config = settings("train", [f"model={model}"])
        assert (config.dataset.name, config.trainer.name) == (dataset, trainer)
        assert config.run_dir.parent.name == name
    monkeypatch.setattr("medft.compose.probe", lambda: CPU)
    assert settings("train", ["model=mistral", "scale=full"]).trainer.name == "cpu"
    mine = settings("train", ["model=custom", "model.base=a/b", "model.family=gemma"])
    assert mine.trainer.name == "smoke"


@pytest.mark.parametrize(
    ("there", "overrides", "kind", "words"),
    [
        (CPU, ["model.family=mistrl"], ConfigError, "Did you mean 'mistral'"),
        (CPU, ["engine=unsloth"], EngineError, "no CUDA GPU on this machine"),
        (machine(P100), ["engine=unsloth"], EngineError, "older than Unsloth's kernels"),
        (CPU, ["model=custom", "model.base=a/b", "scale=tiny"], ConfigError, "no tiny twin"),
        (CPU, ["model=smollm2", "scale=tiny"], ConfigError, "no tiny twin"),
        (machine(H200), ["model=gemma", "model.dtype=float16"], ConfigError, "overflows in float16"),
        (CPU, ["engine.gradient_checkpointing=unsloth"], ConfigError, "needs the unsloth engine"),
    ],
)
def test_what_cannot_run_is_refused_with_a_remedy(
    there: Machine, overrides: list[str], kind: type[EngineError | ConfigError], words: str
) -> None:
    with pytest.raises(kind, match=words) as error:
        decide(there, *overrides)
    assert error.value.remedy


@pytest.mark.parametrize("there", [machine(H200)])
def test_unsloth_that_is_not_installed_leaves_the_plain_engine(
    there: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UnslothEngine, "why_not", lambda self: "unsloth is not installed")
    found = decide(there)
    assert (found.engine, found.gradient_checkpointing) == ("transformers", "standard")
    assert found.reasons["engine"] == "unsloth is not installed"
