"""Both checkpoints must be within reach before training, and there must be room for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medft.errors import HubError, RunError
from medft.models.registry import ModelConfig, ShapeConfig
from medft.plan import disk
from medft.plan import downloads as access

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
    access.check(model, in_4bit=True, merge=True)
    assert disk.to_download(model, SHAPE, in_4bit=True, merge=True) == 0


@pytest.mark.parametrize(("merge", "refused"), [(True, True), (False, False)])
def test_the_base_to_merge_into_is_missed_before_training(
    cache: Path, tmp_path: Path, merge: bool, refused: bool
) -> None:
    model = ModelConfig("x", checkpoint(tmp_path / "four"), "owner/sixteen", shape=SHAPE)
    if not refused:
        access.check(model, in_4bit=True, merge=merge)
        return
    with pytest.raises(HubError, match="owner/sixteen") as error:
        access.check(model, in_4bit=True, merge=merge)
    assert error.value.remedy.endswith("; or preflight=false, which merges into the 4-bit base, dequantised")


def test_a_gated_base_is_asked_for_before_training(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(access, "check_access", asked.append)
    access.check(ModelConfig("x", "owner/four", "owner/sixteen"), in_4bit=True, merge=True)
    assert asked == ["owner/four", "owner/sixteen"]
    access.check(ModelConfig("x", "owner/four", "owner/sixteen"), in_4bit=False, merge=True)
    assert asked[2:] == ["owner/sixteen"]


def test_no_room_to_download_is_said_with_the_place(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(access, "check_access", lambda repo: None)
    monkeypatch.setattr(access, "free_bytes", lambda folder: 1000)
    model = ModelConfig("x", "owner/four", "owner/sixteen", shape=SHAPE)
    with pytest.raises(RunError, match="to be downloaded") as error:
        access.check(model, in_4bit=True, merge=True)
    assert str(cache) in str(error.value)


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
