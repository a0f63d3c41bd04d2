"""medft merge on a run folder: what is said, what is written down, and what happens without a 16-bit base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from medft.errors import HubError, RunError
from medft.files import read_json
from medft.merge.kept import kept
from medft.runs import RunDir
from medft.verbs import steps
from medft.verbs.merge import MergeConfig
from medft.verbs.merge import run as merge
from tests.support.trained_run import make_run


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return make_run(tmp_path, "20261121-101500", seed=1, overrides=(f"processed={tmp_path / 'processed'}",))


def shown(out: str, label: str) -> str:
    """The one line of the table with this label."""
    (line,) = (line for line in out.splitlines() if line.startswith(f"  {label}"))
    return line


def test_a_run_is_merged_and_its_summary_says_how(
    run: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    merge(MergeConfig(run="latest", artifacts=tmp_path, max_shard_gb=3e-4))
    out = capsys.readouterr().out
    assert ", from the 16-bit base" in shown(out, "saved")
    assert "checked from disk: all 21 weights exact" in out
    assert "notice" not in out
    report = read_json(run.summary)["merge"]
    assert report["shards"] == len(list(run.merged.glob("model-*.safetensors"))) > 1
    assert (report["rounding"], report["dtype"], report["seed"]) == ("nearest", "bfloat16", 3407)
    (other,) = report["passed_over"]  # an adapter of random numbers: no gain, and twins are narrow
    assert other.startswith("bfloat16, stochastic: ") and f"not used: {other}" in out
    assert kept(report) in out
    losses = report["logits"]["heldout_loss"]
    assert list(losses) == ["base", "adapted", "merged", "quantised"]
    assert f"{losses['merged']:.4f} merged, {losses['quantised']:.4f} 4-bit base + adapter" in out
    assert abs(losses["merged"] - losses["adapted"]) < 0.1 * abs(losses["adapted"] - losses["base"])


def test_without_a_16bit_base_the_4bit_one_is_dequantised_and_a_short_run_is_told(
    run: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise HubError("the hub cannot be reached (ConnectError)")

    monkeypatch.setattr(steps, "merging_base", refuse)
    path = run.adapter / "adapter_model.safetensors"
    tensors = {name: w * 2e-4 if "lora_B" in name else w for name, w in load_file(path).items()}
    save_file(tensors, path)
    merge(MergeConfig(run=str(run.root), artifacts=tmp_path))
    out = capsys.readouterr().out
    assert "the hub cannot be reached (ConnectError): merging into the 4-bit base, dequantised" in out
    assert ", from the 4-bit base, dequantised" in shown(out, "saved")
    assert "rounding loses part of the adapter (" in out
    assert read_json(run.summary)["merge"]["base_kind"] == "dequantised-nf4"
    assert "quantization_config" not in read_json(run.merged / "config.json")


def test_without_4_bits_there_is_nothing_to_fall_back_to(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    def refuse(*_: Any) -> None:
        raise HubError("the hub cannot be reached (ConnectError)")

    config = yaml.safe_load(run.config.read_text())
    run.config.write_text(yaml.safe_dump({**config, "engine": {**config["engine"], "load_in_4bit": False}}))
    monkeypatch.setattr(steps, "merging_base", refuse)
    with pytest.raises(HubError):
        merge(MergeConfig(run=str(run.root), artifacts=tmp_path))
    assert not run.merged.exists()
    assert json.loads(run.summary.read_text()) == {}


def test_a_run_without_adapter(run: RunDir, tmp_path: Path) -> None:
    run.adapter.rename(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="no adapter"):
        merge(MergeConfig(run=str(run.root), artifacts=tmp_path))
