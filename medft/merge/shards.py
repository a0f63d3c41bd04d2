"""Weights written to disk tensor by tensor, in the safetensors layout, cut into shards with their index.

Owns the bytes that come out, which are those that the safetensors library and transformers would write. Knows
nothing of what the tensors are.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft.errors import MergeError
from medft.files import write_json
from medft.merge.checkpoint import DTYPES, INDEX, SINGLE, nbytes

if TYPE_CHECKING:
    import torch

_CODES = {name: code for code, name in DTYPES.items()}
_AHEAD = 8  # pieces that may wait for the disk


@dataclass(frozen=True, slots=True)
class Spec:
    """A tensor to be written."""

    name: str
    """Its key."""
    dtype: str
    """torch's name of its type."""
    shape: tuple[int, ...]
    """Its sizes."""

    @property
    def nbytes(self) -> int:
        """Its size on disk."""
        return nbytes(self.dtype, self.shape)


def split(specs: Iterable[Spec], max_shard_bytes: int) -> list[list[Spec]]:
    """Cut ``specs``, in their order, into shards of at most ``max_shard_bytes``, each sorted by name as the
    safetensors library does. A larger tensor stands alone."""
    shards: list[list[Spec]] = []
    room = 0
    for spec in specs:
        if not shards or spec.nbytes > room:
            shards.append([])
            room = max_shard_bytes
        shards[-1].append(spec)
        room -= spec.nbytes
    return [sorted(shard, key=lambda spec: spec.name) for shard in shards]


def shard_names(count: int) -> list[str]:
    """The file names that transformers gives to ``count`` shards."""
    if count == 1:
        return [SINGLE]
    return [f"model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]


def write_shard(file: Path, specs: list[Spec], pieces: Iterable[torch.Tensor]) -> None:
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
        raise MergeError(f"{written:,} bytes came out instead of {expected:,}", where=str(file))


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


def _header(specs: list[Spec]) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for spec in specs:
        offsets = [offset, offset := offset + spec.nbytes]
        header[spec.name] = {"dtype": _CODES[spec.dtype], "shape": list(spec.shape), "data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write_index(folder: Path, shards: list[list[Spec]]) -> None:
    """Write the index of several shards; a single file has none."""
    if len(shards) == 1:
        return
    places = {
        spec.name: file
        for file, shard in zip(shard_names(len(shards)), shards, strict=True)
        for spec in shard
    }
    total = sum(spec.nbytes for shard in shards for spec in shard)
    write_json(
        folder / INDEX, {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
    )
