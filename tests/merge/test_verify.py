"""Good merges pass, on long and short runs; planted faults do not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from medft.errors import MergeError
from medft.merge.check import check_sidecars, check_tensors
from medft.merge.inputs import Inputs
from medft.merge.logits import compare
from medft.merge.verify import TOLERANCE, examine
from tests.merge.faults import FILES, LONG, ONE_STEP, STOPS, WEIGHTS, Fault, Merged, merged
from tests.merge.small import FAMILIES, QUESTIONS, write_merge

Bases = Callable[..., Path]
Adapters = Callable[..., Path]


@pytest.fixture(params=[LONG, ONE_STEP], ids=["long", "one_step"])
def good(request: pytest.FixtureRequest, bases: Bases, adapters: Adapters, tmp_path: Path) -> Merged:
    base = bases("llama3_1")
    return merged(base, adapters(base, size=request.param), tmp_path / "out")


@pytest.mark.parametrize("size", [LONG, ONE_STEP])
@pytest.mark.parametrize("family", FAMILIES)
def test_good_merges_pass(bases: Bases, adapters: Adapters, tmp_path: Path, family: str, size: float) -> None:
    base = bases(family)
    adapter = adapters(base, size=size)
    write_merge(base, adapter, tmp_path / "out", STOPS)
    report = examine(Inputs(base, adapter, STOPS), tmp_path / "out", QUESTIONS)
    assert report.tensors.unchanged == ()
    assert report.logits.written.relative == 0
    assert report.logits.rounding.relative is not None
    assert 0 < report.logits.rounding.relative < (0.05 if size == LONG else 1.5)
    assert set(report.logits.heldout_loss) == {"base", "adapted", "merged"}


@pytest.mark.parametrize("fault", WEIGHTS + FILES, ids=lambda fault: fault.name)
def test_a_fault_is_caught(good: Merged, fault: Fault) -> None:
    fault.plant(good)
    with pytest.raises(MergeError, match=fault.says) as caught:
        check_sidecars(good.inputs, good.out)
        check_tensors(good.inputs, good.out)
    assert str(good.out) in caught.value.where


@pytest.mark.parametrize("name", ["a plain copy of the base", "the adapter applied twice"])
def test_the_answers_alone_separate_faults_too(good: Merged, name: str) -> None:
    """A good merge scores 0, these about 1, on a long run as after a single step."""
    next(fault for fault in WEIGHTS if fault.name == name).plant(good)
    score = compare(good.inputs, good.out, QUESTIONS).written.relative
    assert score is not None
    assert score > 10 * TOLERANCE


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
