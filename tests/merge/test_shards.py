"""Files are those that safetensors would write, and the hub's library would cut."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from medft.errors import MergeError
from medft.files import read_json
from medft.merge.checkpoint import DTYPES, Checkpoint, Spec
from medft.merge.shards import plan_shards, size, write_index, write_shard


def specs(tensors: dict[str, torch.Tensor]) -> list[Spec]:
    return [
        Spec(name, str(value.dtype).removeprefix("torch."), tuple(value.shape))
        for name, value in tensors.items()
    ]


def test_a_file_is_byte_for_byte_that_of_safetensors(tmp_path: Path) -> None:
    torch.manual_seed(0)
    types = [*DTYPES.values(), *reversed(DTYPES.values())]
    tensors = {
        f"{name}.{place}": torch.randint(0, 2, (3, 5)).to(getattr(torch, name))
        for place, name in enumerate(types)
    }
    save_file(tensors, tmp_path / "theirs.safetensors", {"format": "pt"})
    ((file, shard),) = plan_shards(specs(tensors), 10_000).items()
    assert file == "model.safetensors"
    write_shard(tmp_path / file, shard, (row for spec in shard for row in tensors[spec.name]))
    assert (tmp_path / file).read_bytes() == (tmp_path / "theirs.safetensors").read_bytes()


def test_shards_keep_to_their_size_and_are_found_by_the_index(tmp_path: Path) -> None:
    tensors = {
        name: torch.full((length,), 1.0) for name, length in zip("edcba", (3, 3, 30, 3, 3), strict=True)
    }
    shards = plan_shards(specs(tensors), 30)
    assert all(sum(spec.nbytes for spec in shard) <= 30 or len(shard) == 1 for shard in shards.values())
    for file, shard in shards.items():
        write_shard(tmp_path / file, shard, (tensors[spec.name] for spec in shard))
    write_index(tmp_path, shards)
    assert read_json(tmp_path / "model.safetensors.index.json")["metadata"] == {"total_size": size(shards)}
    assert sorted(Checkpoint(tmp_path).entries) == list("abcde")


@pytest.mark.parametrize("rows", [1, 3])
def test_a_wrong_number_of_bytes_is_noticed(tmp_path: Path, rows: int) -> None:
    with pytest.raises(MergeError, match=f"{rows * 20} bytes were written instead of 40"):
        write_shard(tmp_path / "file", [Spec("a", "float32", (2, 5))], iter(torch.ones(rows, 5)))
