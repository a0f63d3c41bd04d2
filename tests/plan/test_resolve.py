"""What settings and machine come to: the whole table of decisions, refusals included."""

from __future__ import annotations

import pytest

from medft.compose import settings
from medft.engine.unsloth_engine import UnslothEngine
from medft.errors import ConfigError, EngineError
from medft.machine import Machine
from medft.plan.resolve import Resolved, resolve
from tests.plan.support import CPU, H200, P100, T4, machine


def decide(machine_: Machine, *overrides: str) -> Resolved:
    config = settings("train", overrides)
    return resolve(config.model, config.engine, config.scale, machine_)


@pytest.fixture(autouse=True)
def unsloth_judges_the_same_machine(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Unsloth's own ``why_not`` asks the real machine: let it see the one of the test."""
    there = request.node.callspec.params.get("there", CPU) if hasattr(request.node, "callspec") else CPU
    monkeypatch.setattr("medft.engine.unsloth_engine.probe", lambda: there)


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
        (machine(H200, T4), [], ("unsloth", "full", "float16", "unsloth")),
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
    assert set(found.reasons) == {"engine", "scale", "dtype", "gradient_checkpointing"}
    assert all(found.reasons.values()), "a decision without a reason"


@pytest.mark.parametrize(
    ("there", "overrides", "kind", "words"),
    [
        (CPU, ["scale=full"], EngineError, "needs a CUDA GPU"),
        (CPU, ["model.family=mistrl"], ConfigError, "Did you mean 'mistral'"),
        (CPU, ["engine=unsloth"], EngineError, "no CUDA GPU on this machine"),
        (machine(P100), ["engine=unsloth"], EngineError, "older than Unsloth's kernels"),
        (CPU, ["model=custom", "model.base=a/b"], ConfigError, "no tiny twin"),
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
