"""Both checkpoints must be within reach before training, and there must be room for them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medft.errors import EngineError, HubError, RunError
from medft.machine import Machine
from medft.models.hub import local_folder
from medft.models.registry import ModelConfig, ShapeConfig
from medft.plan import disk
from medft.plan import downloads as access
from tests.plan.support import CPU, T4, machine
from tests.support.hub_client import Client, client, hub
from tests.support.hub_server import Hub

__all__ = ["client", "hub"]

SHAPE = ShapeConfig(64, 2, 4, 2, 16, 192, 2048, tie_word_embeddings=False)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, with the hub switched off."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def checkpoint(folder: Path) -> str:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({}))
    (folder / "model.safetensors").write_bytes(b"")
    return str(folder)


def test_local_folders_are_at_hand(cache: Path, tmp_path: Path) -> None:
    four, sixteen = checkpoint(tmp_path / "four"), checkpoint(tmp_path / "sixteen")
    model = ModelConfig("x", four, sixteen, shape=SHAPE)
    access.check(model, in_4bit=True, merge=True, machine=CPU)
    assert disk.to_download(model, SHAPE, in_4bit=True, merge=True) == 0


@pytest.mark.parametrize(("merge", "refused"), [(True, True), (False, False)])
def test_the_base_to_merge_into_is_missed_before_training(
    cache: Path, tmp_path: Path, merge: bool, refused: bool
) -> None:
    model = ModelConfig("x", checkpoint(tmp_path / "four"), "owner/sixteen", shape=SHAPE)
    if not refused:
        access.check(model, in_4bit=True, merge=merge, machine=CPU)
        return
    with pytest.raises(HubError, match="owner/sixteen") as error:
        access.check(model, in_4bit=True, merge=merge, machine=CPU)
    assert error.value.remedy.endswith("; or preflight=false, which merges into the dequantized 4-bit base")


def test_a_gated_base_is_asked_for_before_training(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    model = ModelConfig("x", "owner/four", "owner/sixteen", shape=SHAPE)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(access, "check_access", asked.append)
    access.check(model, in_4bit=True, merge=True, machine=CPU)
    assert asked == ["owner/four", "owner/sixteen"]
    access.check(model, in_4bit=False, merge=True, machine=CPU)
    assert asked[2:] == ["owner/sixteen"]


def test_no_room_to_download_is_said_with_the_place(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(access, "check_access", lambda repo: None)
    monkeypatch.setattr(access, "free_bytes", lambda folder: 1000)
    model = ModelConfig("x", "owner/four", "owner/sixteen", shape=SHAPE)
    with pytest.raises(RunError, match="to be downloaded") as error:
        access.check(model, in_4bit=True, merge=True, machine=CPU)
    assert str(cache) in str(error.value)


LARGE = {
    "model_type": "llama", "hidden_size": 8192, "num_hidden_layers": 80, "num_attention_heads": 64,
    "num_key_value_heads": 8, "intermediate_size": 28672, "vocab_size": 128256,
}  # fmt: skip
"""Llama 3.3 70B."""


@pytest.mark.parametrize(
    ("in_4bit", "there", "says", "offers"),
    [
        (
            False,
            CPU,
            "owner/large alone take 141.1 GB",
            "fix:   a smaller model (model=smollm2), or a machine",
        ),
        (True, CPU, "owner/large alone take 39.5 GB", "with more memory or a GPU; preflight=false"),
        (False, replace(CPU, ram_available=50 * 10**9), "141.1 GB", "engine.load_in_4bit=true (39.5 GB), a"),
        (True, machine(T4), "15.3 GB are free", "or a larger GPU"),
    ],
)
def test_weights_larger_than_memory_are_told_before_the_download(
    hub: Hub, client: Client, in_4bit: bool, there: Machine, says: str, offers: str
) -> None:
    """By the sizes in the hub's config.json; nothing but that is asked for, and nothing is kept of it."""
    hub.store.add("owner/large", {"config.json": json.dumps(LARGE).encode(), "model.safetensors": b"0" * 99})
    with pytest.raises(EngineError, match=says) as error:
        access.check(ModelConfig("x", "owner/large"), in_4bit=in_4bit, merge=True, machine=there)
    assert offers in str(error.value)
    assert hub.count("model.safetensors") == 0
    assert local_folder("owner/large") is None


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "contains no model: config.json is missing[^$]*save_pretrained"),
        ({"run.log": "", "merged/config.json": "{}"}, "config.json is missing[^$]*use .*/merged"),
        ({"small.gguf": ""}, "config.json is missing[^$]*use .*small.gguf"),
        ({"adapter_config.json": "{}"}, "config.json is missing[^$]*it holds an adapter"),
        ({"config.json": "{}"}, "no safetensors weights"),
        ({"config.json": "{}", "pytorch_model.bin": ""}, "only as pickle"),
    ],
)
def test_a_folder_that_is_no_checkpoint_is_told_before_anything_is_read(
    tmp_path: Path, files: dict[str, str], says: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(EngineError, match=says):
        access.check(ModelConfig("x", str(tmp_path)), in_4bit=False, merge=True, machine=CPU)


def test_a_gguf_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="there is no file"):
        access.check(ModelConfig("x", str(tmp_path / "no.gguf")), in_4bit=False, merge=True, machine=CPU)


def test_disk_counts_checkpoints_adapter_and_merged_weights() -> None:
    from medft.models.registry import parameters

    def of(**changes: Any) -> disk.Disk:
        wanted = {"adapter": 10**8, "optimizer_bits": 32, "checkpoints": 2, "merge": True, "download": 5}
        return disk.disk(SHAPE, **{**wanted, **changes})  # type: ignore[arg-type]

    assert of().checkpoints >= 3 * 12 * 10**8 > of(checkpoints=1).checkpoints
    assert of(optimizer_bits=8).checkpoints < of().checkpoints
    assert of().merged >= 2 * parameters(SHAPE) and of(merge=False).merged == 0
    assert of().run == of().checkpoints + of().adapter + of().merged


def test_free_space_is_that_of_the_disk_a_folder_would_be_on(tmp_path: Path) -> None:
    assert disk.free_bytes(tmp_path / "not" / "yet") == pytest.approx(disk.free_bytes(tmp_path), rel=0.05)
