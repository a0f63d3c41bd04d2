"""Good merges pass, on long and short runs; planted faults do not."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from medft.errors import MergeError
from medft.merge.check import check_companions, check_tensors
from medft.merge.digests import check_digests
from medft.merge.logits import Questions, compare
from medft.merge.stream import merge
from medft.merge.verify import TOLERANCE, examine, merge_and_verify
from tests.merge.faults import FILES, LONG, ONE_STEP, STOPS, WEIGHTS, Fault, Merged, merged
from tests.merge.small import FAMILIES, quantise

Bases = Callable[..., Path]
Adapters = Callable[..., Path]

QUESTIONS = Questions(
    prompts=[[1, *range(10, 30)], [1, 50, 51, 52]],
    heldout=[([1, 60, 61, 62, 2], [-100, -100, 61, 62, 2])],
)


@pytest.fixture(params=[LONG, ONE_STEP], ids=["long", "one_step"])
def good(request: pytest.FixtureRequest, bases: Bases, adapters: Adapters, tmp_path: Path) -> Merged:
    base = bases("llama3_1")
    return merged(base, adapters(base, size=request.param), tmp_path / "out")


@pytest.mark.parametrize("size", [LONG, ONE_STEP])
@pytest.mark.parametrize("family", FAMILIES)
def test_good_merges_pass(bases: Bases, adapters: Adapters, tmp_path: Path, family: str, size: float) -> None:
    base = bases(family)
    adapter = adapters(base, size=size)
    merge(base, adapter, tmp_path / "out", stop_ids=STOPS)
    report = examine(base, adapter, tmp_path / "out", QUESTIONS, stop_ids=STOPS)
    assert report.tensors.unchanged == ()
    assert report.logits.written.relative == 0
    assert report.logits.rounding.relative is not None
    assert 0 < report.logits.rounding.relative < (0.05 if size == LONG else 1.5)
    assert set(report.logits.heldout_loss) == {"base", "adapted", "merged"}


def test_a_fresh_process_judges_and_only_then_the_folder_appears(
    bases: Bases, adapters: Adapters, tmp_path: Path
) -> None:
    base = bases("gemma")
    adapter = adapters(base)
    report, verdict = merge_and_verify(
        base, adapter, tmp_path / "out", QUESTIONS, stop_ids=STOPS, quantised=quantise(base, tmp_path / "nf4")
    )
    assert json.loads(json.dumps(dataclasses.asdict(verdict)))["logits"]["written"]["relative"] == 0
    assert verdict.logits.quantised is not None
    assert verdict.logits.rounding.relative is not None and verdict.logits.quantised.relative is not None
    assert verdict.logits.rounding.relative < verdict.logits.quantised.relative
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert report.stop_ids == (2, 3)
    check_digests(tmp_path / "out", verdict.files)
    assert set(verdict.files) == {path.name for path in (tmp_path / "out").iterdir()}


def test_weights_that_fail_never_get_the_name(bases: Bases, adapters: Adapters, tmp_path: Path) -> None:
    base = bases("mistral")
    adapter = adapters(base)
    for name in ("chat_template.jinja",):
        (adapter / name).unlink()
    with pytest.raises(MergeError, match="chat template"):
        merge_and_verify(base, adapter, tmp_path / "out", QUESTIONS)
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("fault", WEIGHTS + FILES, ids=lambda fault: fault.name)
def test_a_fault_is_caught(good: Merged, fault: Fault) -> None:
    fault.plant(good)
    with pytest.raises(MergeError, match=fault.says) as caught:
        check_companions(good.base, good.adapter, good.out, STOPS)
        check_tensors(good.base, good.adapter, good.out)
    assert str(good.out) in caught.value.where


@pytest.mark.parametrize("name", ["a plain copy of the base", "the adapter applied twice"])
def test_the_answers_alone_separate_faults_too(good: Merged, name: str) -> None:
    """A good merge scores 0, these about 1, on a long run as after a single step."""
    next(fault for fault in WEIGHTS if fault.name == name).plant(good)
    score = compare(good.base, good.adapter, good.out, None, QUESTIONS).written.relative
    assert score is not None
    assert score > 10 * TOLERANCE


def test_the_bases_sentencepiece_model_travels(good: Merged, tmp_path: Path) -> None:
    """transformers 5 does not save it again, and converters to GGUF need it."""
    base = tmp_path / "base"
    shutil.copytree(good.base, base)
    (base / "tokenizer.model").write_bytes(b"pieces and scores")
    with pytest.raises(MergeError, match=r"tokenizer\.model"):
        check_companions(base, good.adapter, good.out, STOPS)
    merge(base, good.adapter, good.out, stop_ids=STOPS)
    check_companions(base, good.adapter, good.out, STOPS)
    assert (good.out / "tokenizer.model").read_bytes() == b"pieces and scores"
