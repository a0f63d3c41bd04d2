"""Weights written to disk tensor by tensor, in the safetensors layout, cut into shards with their index.

The bytes are those that safetensors and transformers would write; the hub's library plans the shards. Nothing
but ``write_shard`` is our own, because safetensors writes only tensors that are all in memory.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from medft.errors import MergeError
from medft.files import write_json
from medft.merge.checkpoint import DTYPES, SINGLE, Spec

if TYPE_CHECKING:
    import torch

Shards = Mapping[str, Sequence[Spec]]
"""File name -> the tensors in it, sorted by type and name as the safetensors library does."""

_CODES = {name: code for code, name in DTYPES.items()}
_ORDER = list(_CODES)
_AHEAD = 8  # pieces that may wait for the disk


def plan_shards(specs: Iterable[Spec], max_shard_bytes: int) -> Shards:
    """Cut ``specs``, in their order, into files of at most ``max_shard_bytes``; a larger tensor stands
    alone."""
    from huggingface_hub import split_state_dict_into_shards_factory

    tensors = {spec.name: spec for spec in specs}
    plan = split_state_dict_into_shards_factory(
        tensors,
        get_storage_size=lambda spec: spec.nbytes,
        filename_pattern="model{suffix}.safetensors",
        max_shard_size=max_shard_bytes,
    )
    return {
        file: sorted(
            (tensors[name] for name in names), key=lambda spec: (_ORDER.index(spec.dtype), spec.name)
        )
        for file, names in plan.filename_to_tensors.items()
    }


def size(shards: Shards) -> int:
    """Bytes of all tensors."""
    return sum(spec.nbytes for shard in shards.values() for spec in shard)


def write_shard(file: Path, specs: Sequence[Spec], pieces: Iterable[torch.Tensor]) -> None:
    """Write one safetensors file, byte for byte as the safetensors library would.

    ``pieces`` are the values of ``specs``, one after another, in parts of any size. The next ones are made
    while the last ones are written; a few are in memory at a time.

    Raises:
        MergeError: more or fewer bytes came than ``specs`` promise.
    """
    expected, written = sum(spec.nbytes for spec in specs), 0
    waiting: deque[Future[None]] = deque()
    with file.open("wb", buffering=0) as opened, ThreadPoolExecutor(1) as pool:
        opened.write(_header(specs))
        for piece in pieces:
            written += piece.nbytes
            waiting.append(pool.submit(_write, opened.fileno(), piece))
            if len(waiting) > _AHEAD:
                waiting.popleft().result()
        for future in waiting:
            future.result()
    if written != expected:
        raise MergeError(f"{written:,} bytes were written instead of {expected:,}", where=str(file))


def sync(path: Path) -> None:
    """Return when the file or folder is on the disk (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, tensor: torch.Tensor) -> None:
    import torch

    rest = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _header(specs: Sequence[Spec]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for spec in specs:
        offsets = [offset, offset := offset + spec.nbytes]
        header[spec.name] = {"dtype": _CODES[spec.dtype], "shape": list(spec.shape), "data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write_index(folder: Path, shards: Shards) -> None:
    """Write the index of several shards; a single file has none."""
    if len(shards) > 1:
        places = {spec.name: file for file, shard in shards.items() for spec in shard}
        index = {"metadata": {"total_size": size(shards)}, "weight_map": dict(sorted(places.items()))}
        write_json(folder / f"{SINGLE}.index.json", index)
