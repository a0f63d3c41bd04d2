"""The one judge of a safe checkpoint folder, and every door that asks it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from safetensors.numpy import save_file

from medft.engine.base import LoadSpec
from medft.engine.checkpoint import check_base
from medft.engine.modules import with_adapter
from medft.errors import EngineError, MedftError, MergeError
from medft.merge.adapter import Adapter
from medft.merge.base import BaseWeights
from medft.models.folder import (
    check_adapter,
    check_checkpoint,
    check_weights,
    check_whole,
    refuse_pickles,
    shards_of,
)
from medft.models.hub import fetch

PICKLES = [f"weights{suffix}" for suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".BIN")]
INDEX = "model.safetensors.index.json"
DOORS: dict[str, Callable[[Path], object]] = {
    "a base to train on": fetch,
    "an adapter to fetch": lambda folder: check_checkpoint(folder, "adapter"),
    "an engine": lambda folder: check_base(LoadSpec(folder, "float32", False, 128)),
    "a trained adapter": lambda folder: with_adapter(None, folder),
    "a base to merge into": BaseWeights,
    "an adapter to merge": lambda folder: Adapter(folder, ()),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint without its weights."""
    for name in ("config.json", "adapter_config.json"):
        (tmp_path / name).write_text("{}")
    return tmp_path


@pytest.mark.parametrize("file", PICKLES)
@pytest.mark.parametrize("door", DOORS)
def test_no_door_opens_to_a_pickle(folder: Path, door: str, file: str) -> None:
    (folder / file).write_bytes(b"\x80\x04.")
    with pytest.raises(MedftError, match="only as pickle") as caught:
        DOORS[door](folder)
    assert isinstance(caught.value, MergeError if "merge" in door else EngineError)
    assert file in caught.value.where and caught.value.remedy


@pytest.mark.parametrize("door", DOORS)
def test_no_door_opens_to_a_folder_without_weights(folder: Path, door: str) -> None:
    (folder / "README.md").write_text("")
    with pytest.raises(MedftError, match="no safetensors weights"):
        DOORS[door](folder)


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ({"weight_map": {"w": "../elsewhere/model.safetensors"}}, "points outside of its folder"),
        ({"weight_map": {"w": "/model.safetensors"}}, "points outside of its folder"),
        ({"weight_map": {"w": "weights.bin"}}, "names a pickle"),
        ({"weight_map": {"w": ".."}}, "is missing"),
        ({"weight_map": {"w": "gone.safetensors"}}, "is missing"),
        ({"weight_map": {"w": 3}}, "is damaged"),
        ({"weight_map": {"w": ["model.safetensors"], "v": "model.safetensors"}}, "is damaged"),
        ({"weight_map": []}, "is damaged"),
        ({}, "is damaged"),
        ([], "is damaged"),
    ],
)
@pytest.mark.parametrize("door", [door for door in DOORS if "adapter" not in door])
def test_no_door_follows_a_bad_index(folder: Path, door: str, index: Any, says: str) -> None:
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "weights.bin").write_bytes(b"")
    (folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(MedftError, match=says):
        DOORS[door](folder)


def test_the_files_of_an_index_come_with_what_they_must_hold(tmp_path: Path) -> None:
    for name in ("b.safetensors", "a.safetensors"):
        (tmp_path / name).write_bytes(b"")
    places = {"z": "a.safetensors", "y": "b.safetensors", "x": "a.safetensors"}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": places}))
    found = shards_of(tmp_path / INDEX)
    assert list(found.items()) == [
        (tmp_path / "a.safetensors", {"x", "z"}),
        (tmp_path / "b.safetensors", {"y"}),
    ]


@pytest.mark.parametrize("file", [*PICKLES, "deep/inside/optimizer.pt"])
def test_nothing_is_published_beside_a_pickle(folder: Path, file: str) -> None:
    (folder / "model.safetensors").write_bytes(b"")
    refuse_pickles(folder)
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(b"")
    with pytest.raises(EngineError, match="is a pickle") as caught:
        refuse_pickles(folder)
    assert file in caught.value.what


def test_a_folder_that_is_not_there_holds_no_weights(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no safetensors weights"):
        check_weights(tmp_path / "gone")


@pytest.mark.parametrize("damage", [b"", b"x" * 100, b"\xff" * 8 + b"{}", b'\x08\0\0\0\0\0\0\0{"a":1}'])
def test_damaged_weights_are_told_of_by_their_header(folder: Path, damage: bytes) -> None:
    (folder / "model.safetensors").write_bytes(damage)
    with pytest.raises(EngineError, match=r"model\.safetensors is damaged"):
        check_whole(folder)


def test_cut_weights_are_told_of(folder: Path) -> None:
    file = folder / "model.safetensors"
    save_file({"a": numpy.ones(100, numpy.float32)}, file)
    check_whole(folder)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(EngineError, match="is damaged"):
        check_whole(folder)


@pytest.mark.parametrize("config", ["{", "[]", "[" * 100_000, '{"peft_type": "IA3"}'])
def test_an_adapter_of_another_kind_is_refused(folder: Path, config: str) -> None:
    save_file({"a": numpy.ones(2, numpy.float32)}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(config)
    with pytest.raises(EngineError, match=r"damaged|of type IA3, not LORA"):
        check_adapter(folder)


@pytest.mark.parametrize(
    "odd",
    ['"r": 0', '"r": 1000000', '"r": true', '"r": "8"', '"lora_alpha": NaN', '"lora_alpha": 1e308',
     '"lora_alpha": -1', '"alpha_pattern": {"q_proj": Infinity}', '"rank_pattern": {"q_proj": null}'],
)  # fmt: skip
def test_an_adapter_is_scaled_by_sensible_numbers(folder: Path, odd: str) -> None:
    save_file({"a": numpy.ones(2, numpy.float32)}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8, "lora_alpha": 16.5}')
    check_adapter(folder)
    (folder / "adapter_config.json").write_text(f'{{"peft_type": "LORA", {odd}}}')
    with pytest.raises(EngineError, match="not a valid number"):
        check_adapter(folder)


def test_weights_that_are_a_pipe_or_lead_nowhere_are_told_of(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").symlink_to("/gone")
    with pytest.raises(EngineError, match="no safetensors weights"):
        check_adapter(folder)
    os.mkfifo(folder / "model-2.safetensors")
    with pytest.raises(EngineError, match="is not a file"):
        check_whole(folder)
