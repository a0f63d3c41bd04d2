"""medft's unsloth engine through Unsloth's real CUDA code path, on the CPU (see tests/support)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from medft.engine import engine
from medft.engine.base import LoadSpec
from medft.machine import Gpu, Machine
from tests.engine import scenarios
from tests.engine.conftest import FAMILIES, ROOT, Twins, base_of
from tests.support.asked import asked

Section = Callable[[str], Any]
COMBINATIONS = [(family, kind) for family in FAMILIES for kind in ("16bit", "nf4")]
PROJECTIONS_PER_LAYER, LAYERS = 7, 2


@pytest.mark.parametrize(("family", "kind"), COMBINATIONS)
def test_trains_every_combination(unsloth: Section, family: str, kind: str) -> None:
    run = unsloth("runs")[f"{family}-{kind}"]
    assert run["linear4bit"] == (PROJECTIONS_PER_LAYER * LAYERS if kind == "nf4" else 0)
    assert run["fused"], "Unsloth's LoRA kernels are not in use"
    assert run["autocast"] == [True, False]
    assert run["trainable_types"] == ["torch.float32"]
    assert not run["tokenizer_changed"]
    assert len(run["losses"]) == 3
    assert all(0 < loss < 20 for loss in run["losses"])


@pytest.mark.parametrize(("family", "kind"), COMBINATIONS)
def test_its_merge_and_medfts_agree_bit_for_bit(
    unsloth: Section, unsloth_folder: Path, twins: Twins, tmp_path: Path, family: str, kind: str
) -> None:
    from tests.merge.small import write_merge

    unsloth("runs")
    folder = unsloth_folder / f"{family}-{kind}"
    write_merge(twins(family).bits16, folder / "adapter", tmp_path / "merged")
    theirs, ours = _weights(folder / "merged"), _weights(tmp_path / "merged")
    assert set(ours) <= set(theirs)  # Unsloth writes tied output weights a second time
    assert all((theirs[name] == ours[name]).all() for name in ours)
    base = _weights(twins(family).bits16)
    assert any((base[name] != ours[name]).any() for name in ours), "the adapter changed nothing"


def _weights(folder: Path) -> dict[str, Any]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_its_merged_model_loads_in_plain_transformers(
    unsloth: Section, unsloth_folder: Path, family: str
) -> None:
    unsloth("runs")
    folder = unsloth_folder / f"{family}-nf4" / "merged"
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
    found = scenarios.generation(engine("transformers"), LoadSpec(folder, "bfloat16", False, 256), None)
    assert len(found["tokens"]) > len(scenarios.PROMPT)


@pytest.mark.parametrize("family", ["mistral", "gemma"])
@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [("16bit", 1e-4), ("nf4", 0.05)],  # without gradients, bitsandbytes on a CPU computes NF4 in bfloat16
)
def test_generates_as_plain_transformers_does(
    unsloth: Section,
    unsloth_folder: Path,
    twins: Twins,
    family: str,
    kind: str,
    tolerance: float,
) -> None:
    theirs = unsloth("generation")[f"{family}-{kind}"]
    spec = LoadSpec(base_of(twins(family), kind == "nf4"), "float32", kind == "nf4", 256)
    adapter = unsloth_folder / f"{family}-{kind}" / "adapter"
    ours = scenarios.generation(engine("transformers"), spec, adapter)
    assert theirs["logits"] == pytest.approx(ours["logits"], abs=tolerance)
    if kind == "16bit":
        assert theirs["tokens"] == ours["tokens"]


def test_a_step_on_nothing_is_refused(unsloth: Section) -> None:
    said, steps = unsloth("masked")
    assert said.startswith("step 2 has no token to train on") and steps == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_length_beyond_the_window_changes_no_answer(unsloth: Section, family: str) -> None:
    found = unsloth("window")[family]
    assert found["difference"] == 0, "Unsloth stretched the positions of all rows"
    assert found["window"][0] == found["window"][1]


def test_a_session_answers_as_plain_transformers_does(
    unsloth: Section, unsloth_folder: Path, twins: Twins
) -> None:
    theirs = unsloth("answering")
    spec = LoadSpec(twins("mistral").nf4, "float32", True, 256)
    adapters = {kind: unsloth_folder / f"mistral-{kind}" / "adapter" for kind in ("nf4", "16bit")}
    ours = asked(engine("transformers"), spec, adapters)
    assert list(theirs) == ["base", "nf4", "16bit", "base again"]
    for name, said in theirs.items():
        assert said["nats"] == pytest.approx(ours[name]["nats"], abs=0.05)
        assert said["batch"] == ours[name]["batch"]
        assert said["streamed"] == said["batch"][0]
    assert theirs["base again"] == theirs["base"]
    assert len({tuple(theirs[name]["nats"]) for name in ("base", "nf4", "16bit")}) == 3


def test_kernel_stand_ins_are_the_kernels(unsloth: Section) -> None:
    differences = unsloth("kernels")
    assert len(differences) == 7
    assert all(difference < 5e-6 for difference in differences.values()), differences


def test_interpreted_kernels_give_the_same_losses(unsloth: Section) -> None:
    found = unsloth("triton")
    assert found["triton"]["fused"]
    assert found["triton"]["losses"] == pytest.approx(found["torch"]["losses"], rel=1e-5)


def test_leaves_nothing_in_the_working_directory(unsloth: Section, unsloth_folder: Path) -> None:
    unsloth("runs")
    assert not (ROOT / "unsloth_compiled_cache").exists()
    assert (unsloth_folder / "cache" / "medft" / "unsloth_compiled").is_dir()


@pytest.mark.parametrize(
    ("gpus", "reason"),
    [
        ((), "no CUDA GPU"),
        ((Gpu("Tesla P100", 2**34, 2**34, (6, 0)),), "Tesla P100 is older"),
        ((Gpu("Tesla T4", 2**34, 2**34, (7, 5)),), None),
    ],
)
def test_says_why_not(monkeypatch: pytest.MonkeyPatch, gpus: tuple[Gpu, ...], reason: str | None) -> None:
    monkeypatch.setattr("medft.engine.unsloth_engine.probe", lambda: Machine(gpus, 2, 2**34, 2**33))
    monkeypatch.setattr("medft.engine.toolchain.uncompilable", lambda: None)
    why = engine("unsloth").why_not()
    assert why is None if reason is None else why is not None and reason in why
