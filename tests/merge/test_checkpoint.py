"""Damaged and hostile weight files are refused; rows are read as safetensors reads them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from medft.errors import MergeError
from medft.merge.checkpoint import DTYPES, Checkpoint

INDEX = "model.safetensors.index.json"


def tensor(begin: int, end: int, shape: tuple[int, ...] = (2,), dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def put(folder: Path, header: dict[str, Any] | bytes, data: int, length: int | None = None) -> None:
    """A file with this header, ``data`` bytes behind it, and perhaps another length than its own."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    count = len(text) if length is None else length
    (folder / "model.safetensors").write_bytes(count.to_bytes(8, "little") + text + bytes(data))


GOOD = {"a": tensor(0, 8), "b": tensor(8, 16)}
TWICE = f'{{"a": {json.dumps(tensor(0, 8))}, "a": {json.dumps(tensor(8, 16))}}}'.encode()


@pytest.mark.parametrize(
    ("header", "data", "length"),
    [
        (GOOD, 16, 1 << 40),
        (GOOD, 16, 5000),
        (GOOD, 16, 0),
        (GOOD, 15, None),
        (GOOD, 17, None),
        ({"a": tensor(800, 808)}, 8, None),
        ({"a": tensor(-8, 0)}, 8, None),
        ({"a": tensor(8, 0)}, 8, None),
        ({"a": tensor(0, 8), "b": tensor(4, 12)}, 12, None),
        ({"a": tensor(0, 8), "b": tensor(0, 8)}, 8, None),
        ({"a": tensor(0, 8), "b": tensor(16, 24)}, 24, None),
        ({"a": tensor(0, 8, (3,))}, 8, None),
        ({"a": tensor(0, 8, (1 << 62, 1 << 62))}, 8, None),
        ({"a": tensor(0, 8, dtype="F33")}, 8, None),
        ({"a": {"dtype": "F32"}}, 8, None),
        (TWICE, 16, None),
        (b"not JSON", 8, None),
        (b"[]", 0, None),
        (b"", 0, None),
    ],
)
def test_a_damaged_header_is_refused(
    tmp_path: Path, header: dict[str, Any] | bytes, data: int, length: int | None
) -> None:
    put(tmp_path, header, data, length)
    with pytest.raises(MergeError, match=r"model\.safetensors is damaged") as caught:
        Checkpoint(tmp_path)
    assert caught.value.where == str(tmp_path / "model.safetensors")


def test_a_type_that_no_merge_meets_is_named(tmp_path: Path) -> None:
    put(tmp_path, {"a": tensor(0, 8, (8,), "F8_E4M3")}, 8)
    with pytest.raises(MergeError, match="F8_E4M3"):
        Checkpoint(tmp_path)


def test_rows_of_every_type_are_what_safetensors_reads(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = {dtype: torch.randint(0, 2, (37, 3, 5)).to(getattr(torch, dtype)) for dtype in DTYPES.values()}
    tensors |= {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3), "line": torch.arange(7.0)}
    save_file(tensors, tmp_path / "model.safetensors")
    stored, expected = Checkpoint(tmp_path), load_file(tmp_path / "model.safetensors")
    assert stored.entries.keys() == tensors.keys()
    for name, value in expected.items():
        assert stored.entries[name].nbytes == value.nbytes
        assert torch.equal(stored.read(name), value) and stored.read(name).dtype == value.dtype
        if name in DTYPES.values():
            assert torch.equal(stored.read(name, slice(16, 37)), value[16:37])


def test_a_file_that_shrinks_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1000, 10)}, tmp_path / "model.safetensors")
    stored = Checkpoint(tmp_path)
    os.truncate(tmp_path / "model.safetensors", 5000)
    with pytest.raises(MergeError, match="is truncated"):
        stored.read("a", slice(500, 600))


def test_a_tensor_in_two_files_is_refused(tmp_path: Path) -> None:
    for file in ("one", "two"):
        save_file({"a": torch.ones(2), file: torch.ones(2)}, tmp_path / f"{file}.safetensors")
    places = {"a": "one.safetensors", "two": "two.safetensors"}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": places}))
    with pytest.raises(MergeError, match="the tensor a is in two files"):
        Checkpoint(tmp_path)


def test_the_index_comes_before_other_files(tmp_path: Path) -> None:
    """Some repositories hold a second copy of the weights under another name."""
    save_file({"a": torch.ones(2)}, tmp_path / "part.safetensors")
    save_file({"b": torch.ones(2)}, tmp_path / "consolidated.safetensors")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"a": "part.safetensors"}}))
    assert list(Checkpoint(tmp_path).entries) == ["a"]


def test_weights_under_another_name_are_not_taken(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "consolidated.safetensors")
    with pytest.raises(MergeError, match=r"there is no model\.safetensors and no model\.safetensors\.index"):
        Checkpoint(tmp_path)
