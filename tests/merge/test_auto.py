"""What ``auto`` comes to: on every family and size of change it ends, and keeps what was learnt."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medft.errors import MergeError
from medft.merge.inputs import Inputs
from medft.merge.kept import kept
from medft.merge.logits import LEAST
from medft.merge.merge import merge
from medft.merge.rounding import MergingConfig
from medft.merge.verify import LOST, VerifyReport, examine
from tests.merge.faults import LONG, ONE_STEP, STOPS
from tests.merge.small import FAMILIES, QUESTIONS, quantise

Bases = Callable[..., Path]
Adapters = Callable[..., Path]
CHOOSING = replace(QUESTIONS, rows=QUESTIONS.rows[4:], choice=QUESTIONS.rows[:4])


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judgement in this process: a fresh one takes ten seconds."""
    monkeypatch.setattr("medft.merge.merge.verify", examine)


def written(inputs: Inputs, out: Path) -> tuple[dict[str, Any], VerifyReport]:
    report, judged = merge(inputs, out, CHOOSING)
    return {**dataclasses.asdict(report), **dataclasses.asdict(judged)}, judged


@pytest.mark.parametrize("size", [LONG, ONE_STEP])
@pytest.mark.parametrize("family", FAMILIES)
def test_rounding_never_ends_a_merge(
    bases: Bases, adapters: Adapters, tmp_path: Path, family: str, size: float
) -> None:
    base = bases(family)
    report, judged = written(Inputs(base, adapters(base, size=size), STOPS), tmp_path / "out")
    assert (report["dtype"], report["rounding"]) in {
        ("bfloat16", "stochastic"), ("bfloat16", "nearest"), ("float32", "nearest"),
    }  # fmt: skip
    assert len(report["passed_over"]) == (
        2 if report["dtype"] == "float32" else report["rounding"] == "nearest"
    )
    logits = judged.logits
    if logits.gain and logits.lost and logits.gain.low > 0:
        assert logits.lost.low <= LOST
    if report["rounding"] == "stochastic":
        assert logits.choice is not None and logits.choice.stochastic <= logits.choice.nearest
        assert "closer than rounding to nearest on 4 validation rows" in kept(report)
    assert f"({report['dtype']}, " in kept(report)


def test_what_loses_too_much_gives_way_to_a_finer_type(
    bases: Bases, adapters: Adapters, tmp_path: Path
) -> None:
    """The rows' answers are base + adapter's own likeliest tokens, so that there is a gain to lose."""
    import torch
    from peft import AutoPeftModelForCausalLM

    base = bases("llama3_1")
    adapter = adapters(base, size=ONE_STEP / 10)
    model = AutoPeftModelForCausalLM.from_pretrained(adapter, dtype=torch.float32).eval()
    rows = []
    for ids, _ in QUESTIONS.rows:
        with torch.no_grad():
            tuned = model(torch.tensor([list(ids)])).logits[0]
            with model.disable_adapter():
                difference = tuned - model(torch.tensor([list(ids)])).logits[0]
        rows.append((ids, [-100, *difference.argmax(-1)[:-1].tolist()]))
    inputs = Inputs(base, adapter, STOPS)
    report, judged = merge(inputs, tmp_path / "out", replace(QUESTIONS, rows=rows))
    assert judged.logits.gain is not None and judged.logits.gain.low > 0
    assert judged.logits.lost is not None and judged.logits.lost.low <= LOST
    assert report.dtype == "float32" and len(report.passed_over) == 2
    assert all("of the gain is lost on" in reason for reason in report.passed_over)
    nearest = replace(inputs, merging=MergingConfig("nearest"))
    assert merge(nearest, tmp_path / "asked", QUESTIONS)[0].rounding == "nearest", "asked for by name"


def test_validation_rows_choose(
    bases: Bases, adapters: Adapters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator that drives every number away from zero is as exact, and worse than the nearest."""
    base = bases("llama3_1")
    inputs = Inputs(base, adapters(base, size=ONE_STEP), STOPS)
    monkeypatch.setattr("medft.merge.check._SIGMAS", float("inf"))
    monkeypatch.setattr("medft.merge.rounding.noise", all_up)
    report, _ = written(inputs, tmp_path / "out")
    assert report["rounding"] == "nearest"
    assert (
        "on 4 validation rows, stochastic rounding is further from base + adapter" in report["passed_over"][0]
    )


@pytest.mark.parametrize("better", ["16-bit", "4-bit"])
def test_the_base_that_the_adapter_is_better_on_is_taken(
    bases: Bases, adapters: Adapters, tmp_path: Path, better: str
) -> None:
    """The rows' answers are the tokens that one base + adapter finds likelier than the other does."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = bases("llama3_1")
    nf4, adapter = quantise(base, tmp_path / "nf4"), adapters(base, size=LONG)
    loaded = {
        "16-bit": AutoModelForCausalLM.from_pretrained(base, dtype="float32"),
        "4-bit": AutoModelForCausalLM.from_pretrained(nf4, dtype="auto"),
    }
    rows = []
    with torch.no_grad():
        models = {name: PeftModel.from_pretrained(model, adapter) for name, model in loaded.items()}
        for ids, _ in QUESTIONS.rows:
            logits = {name: model(torch.tensor([ids])).logits[0].float() for name, model in models.items()}
            other = "4-bit" if better == "16-bit" else "16-bit"
            rows.append((ids, [-100, *(logits[better] - logits[other]).argmax(-1)[:-1].tolist()]))
    inputs = Inputs(base, adapter, STOPS, trained_on=nf4)
    written, judged = merge(inputs, tmp_path / "out", replace(QUESTIONS, bases=rows))
    assert written.base_kind == ("16-bit" if better == "16-bit" else "dequantised-nf4")
    bases_asked = judged.logits.bases
    assert bases_asked is not None and bases_asked.rows == len(rows)
    assert (bases_asked.gained.low > LEAST) == (better == "4-bit")
    sentence = kept({**dataclasses.asdict(written), **dataclasses.asdict(judged)})
    assert f"the {better} base was taken: the adapter is better on the {better} one by" in sentence
    named = replace(inputs, merging=MergingConfig(base="16-bit"))
    asked, judged = merge(named, tmp_path / "named", replace(QUESTIONS, bases=rows))
    assert asked.base_kind == "16-bit" and judged.logits.bases is None, "asked for by name"


def all_up(seed: int, name: str, start: int, count: int) -> Any:
    import numpy as np

    return np.full(count, (1 << 16) - 1, dtype=np.uint16)


def test_float16_is_refused_where_an_activation_does_not_fit(
    bases: Bases, adapters: Adapters, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    base = tmp_path / "base"
    shutil.copytree(bases("llama3_1"), base)
    index = json.loads((base / "model.safetensors.index.json").read_text())["weight_map"]
    for name in ("model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.gate_proj.weight"):
        file = base / index[name]
        tensors = load_file(file)
        tensors[name] = (tensors[name].float() * 1e4).to(torch.bfloat16)
        save_file(tensors, file, metadata={"format": "pt"})
    inputs = Inputs(base, adapters(base, size=LONG), STOPS, merging=MergingConfig(dtype="float16"))
    with pytest.raises(MergeError, match=r"an activation of .* reaches .*largest float16 is 65504"):
        merge(inputs, tmp_path / "out", CHOOSING)
    assert not (tmp_path / "out").exists()


def test_float16_that_fits_is_written(bases: Bases, adapters: Adapters, tmp_path: Path) -> None:
    base = bases("llama3_1")
    inputs = Inputs(base, adapters(base, size=LONG), STOPS, merging=MergingConfig(dtype="float16"))
    report, judged = written(inputs, tmp_path / "out")
    assert (report["dtype"], report["rounding"]) == ("float16", "nearest")
    assert judged.logits.written is not None and judged.logits.written.relative == 0
