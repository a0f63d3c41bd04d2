"""medft export of a run that was trained here: converters are given base + adapter in float32."""

from __future__ import annotations

import shutil
from pathlib import Path

import gguf
import pytest
import torch
from safetensors.torch import load_file

from medft.runs import RunDir
from medft.verbs.export import ExportConfig
from medft.verbs.export import run as export
from medft.verbs.merge import MergeConfig
from medft.verbs.merge import run as merge
from tests.support import gguf_converter
from tests.support.trained_run import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    folder = tmp_path_factory.mktemp("runs")
    made = make_run(folder, "20261121-101500", seed=1, overrides=(f"processed={folder / 'processed'}",))
    merge(MergeConfig(run="latest", artifacts=folder))
    return made


@pytest.fixture
def converter(tmp_path: Path) -> Path:
    shutil.copyfile(gguf_converter.__file__, tmp_path / "convert_hf_to_gguf.py")
    return tmp_path


def test_a_file_is_quantised_from_what_was_trained(
    run: RunDir, converter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from peft import AutoPeftModelForCausalLM

    export(ExportConfig(run=str(run.root), quant="q8_0", llama_cpp=converter))
    assert "base + adapter in float32" in capsys.readouterr().out
    (written,) = (run.root / "export" / "q8_0").glob("*.gguf")
    assert written.name == "mistral-tiny-sample-q8_0.gguf"
    merged = AutoPeftModelForCausalLM.from_pretrained(run.adapter, dtype=torch.float32).merge_and_unload()
    state = merged.state_dict()
    for tensor in gguf.GGUFReader(written).tensors:
        found = torch.from_numpy(tensor.data)
        assert found.dtype == torch.float32
        assert torch.allclose(found, state[tensor.name].float(), rtol=1e-5, atol=1e-7), tensor.name
    assert {path.name for path in (run.root / "export").iterdir()} == {"q8_0", "q8_0.log"}


def test_without_the_adapter_merged_weights_are_taken_and_it_is_said(
    run: RunDir, converter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aside = run.root / "aside"
    run.adapter.rename(aside)
    try:
        export(ExportConfig(run=str(run.root), quant="f16", llama_cpp=converter))
    finally:
        aside.rename(run.adapter)
    said = capsys.readouterr().out
    assert "the adapter is missing: quantised from merged/, which is rounded to bfloat16" in said
    (written,) = (run.root / "export" / "f16").glob("*.gguf")
    merged = load_file(run.merged / "model.safetensors")
    for tensor in gguf.GGUFReader(written).tensors:
        assert torch.equal(torch.from_numpy(tensor.data), merged[tensor.name].float()), tensor.name
