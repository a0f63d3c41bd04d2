"""Good merges pass, on long and short runs; planted faults do not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from medft.errors import MergeError
from medft.merge import verify
from medft.merge.check import check_tensors
from medft.merge.inputs import Inputs
from medft.merge.kept import kept
from medft.merge.logits import compare
from medft.merge.rounding import MergingConfig
from medft.merge.sidecar_check import check_sidecars
from medft.merge.verify import TOLERANCE, examine
from tests.merge.faults import (
    FILES,
    LONG,
    ONE_STEP,
    ROUNDING,
    STOPS,
    WEIGHTS,
    Fault,
    Merged,
    half,
    low,
    merged,
)
from tests.merge.small import FAMILIES, NEAREST, QUESTIONS, write_merge

Bases = Callable[..., Path]
Adapters = Callable[..., Path]


@pytest.fixture(params=[LONG, ONE_STEP], ids=["long", "one_step"])
def size(request: pytest.FixtureRequest) -> float:
    return float(request.param)


@pytest.fixture
def good(size: float, bases: Bases, adapters: Adapters, tmp_path: Path) -> Merged:
    base = bases("llama3_1")
    return merged(base, adapters(base, size=size), tmp_path / "out", NEAREST)


@pytest.fixture
def rounded(size: float, bases: Bases, adapters: Adapters, tmp_path: Path) -> Merged:
    base = bases("llama3_1")
    return merged(base, adapters(base, size=size), tmp_path / "out", MergingConfig())


@pytest.mark.parametrize("family", FAMILIES)
def test_good_merges_pass(bases: Bases, adapters: Adapters, tmp_path: Path, family: str, size: float) -> None:
    base = bases(family)
    adapter = adapters(base, size=size)
    write_merge(base, adapter, tmp_path / "out", STOPS)
    report = examine(Inputs(base, adapter, STOPS, merging=NEAREST, strict=False), tmp_path / "out", QUESTIONS)
    assert report.tensors.unchanged == ()
    assert report.tensors.bias == 0
    assert report.logits.written is not None and report.logits.written.relative == 0
    assert report.logits.rounding.relative is not None
    assert 0 < report.logits.rounding.relative < (0.05 if size == LONG else 1.5)
    assert set(report.logits.heldout_loss) == {"base", "adapted", "merged"}


@pytest.mark.parametrize("family", FAMILIES)
def test_stochastic_merges_pass(
    bases: Bases, adapters: Adapters, tmp_path: Path, family: str, size: float
) -> None:
    base = bases(family)
    adapter = adapters(base, size=size)
    write_merge(base, adapter, tmp_path / "out", STOPS, merging=MergingConfig())
    report = examine(Inputs(base, adapter, STOPS, strict=False), tmp_path / "out", QUESTIONS)
    assert 0 < report.tensors.bias < 6
    assert report.logits.written is None
    assert report.logits.rounding.relative is not None
    assert 0 < report.logits.rounding.relative < (0.05 if size == LONG else 0.9)
    assert report.logits.choice is None


@pytest.mark.parametrize("fault", WEIGHTS + FILES, ids=lambda fault: fault.name)
def test_a_fault_is_caught(good: Merged, fault: Fault) -> None:
    fault.plant(good)
    with pytest.raises(MergeError, match=fault.says) as caught:
        check_sidecars(good.inputs, good.out)
        check_tensors(good.inputs, good.out)
    assert str(good.out) in caught.value.where


@pytest.mark.parametrize("fault", WEIGHTS + ROUNDING, ids=lambda fault: fault.name)
def test_a_fault_of_stochastic_weights_is_caught(rounded: Merged, fault: Fault) -> None:
    check_tensors(rounded.inputs, rounded.out)
    fault.plant(rounded)
    with pytest.raises(MergeError, match=fault.says):
        check_tensors(rounded.inputs, rounded.out)


@pytest.mark.parametrize("noise", [half, low], ids=["nearest", "too low"])
def test_a_bias_is_caught_though_writer_and_check_share_it(
    bases: Bases, adapters: Adapters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: Any
) -> None:
    monkeypatch.setattr("medft.merge.rounding.noise", noise)
    base = bases("llama3_1")
    given = merged(base, adapters(base, size=ONE_STEP), tmp_path / "out", MergingConfig())
    with pytest.raises(MergeError, match="rounded with a bias of"):
        check_tensors(given.inputs, given.out)


def test_the_type_that_was_asked_for_is_held(rounded: Merged) -> None:
    inputs = replace(rounded.inputs, merging=MergingConfig(dtype="float16"))
    with pytest.raises(MergeError, match="are bfloat16 and should be float16"):
        check_tensors(inputs, rounded.out)


@pytest.mark.parametrize("name", ["a plain copy of the base", "the adapter applied twice"])
def test_the_answers_alone_separate_faults_too(good: Merged, name: str) -> None:
    """A good merge scores 0, these about 1, on a long run as after a single step."""
    next(fault for fault in WEIGHTS if fault.name == name).plant(good)
    written = compare(good.inputs, good.out, QUESTIONS).written
    assert written is not None
    score = written.relative
    assert score is not None
    assert score > 10 * TOLERANCE


def test_a_pad_of_the_base_that_ends_answers_gives_way(good: Merged, tmp_path: Path) -> None:
    """SmolLM2 and others have one: whoever masks padding then masks the end."""
    base = tmp_path / "base"
    shutil.copytree(good.base, base)
    (base / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 3], "pad_token_id": 2}))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "pad_token_id": 2}))
    write_merge(base, good.adapter, good.out, STOPS)
    for name in ("generation_config.json", "config.json"):
        assert json.loads((good.out / name).read_text())["pad_token_id"] == 0
    check_sidecars(Inputs(base, good.adapter, STOPS), good.out)


def test_rotary_embeddings_are_told_in_the_words_of_transformers_4(good: Merged) -> None:
    """It reads no rope_parameters, and would take a theta of 10,000."""
    told = json.loads((good.out / "config.json").read_text())
    rope = told["rope_parameters"]
    assert told["rope_theta"] == rope["rope_theta"] == 5e5
    assert told["rope_scaling"] == {key: rope[key] for key in rope.keys() - {"rope_theta"}}
    assert told["rope_scaling"]["rope_type"] == "llama3"


def test_the_bases_sentencepiece_model_travels(good: Merged, tmp_path: Path) -> None:
    """transformers 5 does not save it again, and converters to GGUF need it."""
    base = tmp_path / "base"
    shutil.copytree(good.base, base)
    (base / "tokenizer.model").write_bytes(b"pieces and scores")
    inputs = Inputs(base, good.adapter, STOPS)
    with pytest.raises(MergeError, match=r"tokenizer\.model"):
        check_sidecars(inputs, good.out)
    write_merge(base, good.adapter, good.out, STOPS)
    check_sidecars(inputs, good.out)
    assert (good.out / "tokenizer.model").read_bytes() == b"pieces and scores"


def test_without_memory_for_the_models_every_weight_is_compared_and_the_reason_is_told(
    good: Merged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medft.merge.answers._free", lambda: {"cuda:0": 1000, "cpu": 500})
    here = lambda job, advance: json.loads(json.dumps(verify._work(job)))  # noqa: E731
    monkeypatch.setattr(verify, "_in_fresh_process", here)
    report = verify.verify(good.inputs, good.out, QUESTIONS)
    assert report.logits is None and report.tensors.adapted > 0 and report.files
    assert report.not_compared.endswith("of memory, and cuda:0 has 1.0 kB and cpu has 500 B free")
    told = kept({**asdict(report), "rounding": "nearest", "dtype": "bfloat16"})
    assert told == f"answers not compared, {report.not_compared} (bfloat16, rounded to nearest)"
