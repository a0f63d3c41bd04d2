"""Every architecture of conf/model, small and random: adapter and base merged, against peft, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medft.engine import modules
from medft.engine.base import LoraConfig
from medft.merge.check import check_tensors
from medft.merge.inputs import Inputs
from tests.merge.small import NEAREST, make_adapter, peft_merge, write_merge
from tests.support.architectures import ARCHITECTURES, small_base


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_peft_as_transformers_reads_it(tmp_path: Path, architecture: str) -> None:
    from transformers import AutoModelForCausalLM

    base = small_base(architecture, tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    targets = modules.lora_targets(model, LoraConfig())
    adapter = make_adapter(
        model, tmp_path / "adapter", target_modules=targets.names, exclude_modules=targets.exclude
    )
    report = write_merge(base, adapter, tmp_path / "ours")
    assert (
        check_tensors(Inputs(base, adapter, merging=NEAREST), tmp_path / "ours").adapted == report.adapted > 0
    )
    ours, theirs = (
        AutoModelForCausalLM.from_pretrained(folder, dtype="auto").state_dict()
        for folder in (tmp_path / "ours", peft_merge(base, adapter, tmp_path / "theirs"))
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    before = AutoModelForCausalLM.from_pretrained(base, dtype="auto").state_dict()
    assert sum(not torch.equal(tensor, before[name]) for name, tensor in ours.items()) == report.adapted
