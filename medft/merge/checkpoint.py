"""Weights on disk: a folder of safetensors files read tensor by tensor, and one written tensor by tensor.

Owns the file format (the safetensors layout and the shard index of transformers), its damage, and the refusal
of pickles. Knows nothing of adapters. Tensors are read with ``preadv`` and not through a memory map, because
mapped pages count as resident memory and would make the peak grow with the model.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft.errors import MergeError, RunError
from medft.runs import read_json, write_json

if TYPE_CHECKING:
    import torch

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
_CODES = {name: code for code, name in DTYPES.items()}
_AHEAD = 8  # pieces that may wait for the disk
_LONGEST_HEADER = 100_000_000  # bytes; the limit of the safetensors format


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one tensor stands."""

    file: Path
    """The safetensors file."""
    dtype: str
    """torch's name of its type, such as ``bfloat16``."""
    shape: tuple[int, ...]
    """Its sizes."""
    begin: int
    """First byte, from the start of the file."""
    end: int
    """One past its last byte."""


class Checkpoint:
    """The tensors of a folder of safetensors, or of one file, read one at a time.

    Args:
        path: a folder with ``model.safetensors`` or its index and shards, or a single ``*.safetensors`` file.

    Raises:
        MergeError: nothing to read there, only pickles, a damaged or truncated file, a name that the index
            promises and no file holds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        for file, promised in _files(path):
            found = read_header(file)
            missing = sorted(promised - found.keys())
            if missing:
                raise MergeError(
                    f"{len(missing)} tensors are missing, the first is {missing[0]}", where=str(file)
                )
            self.entries |= found

    def read(self, name: str, rows: slice = slice(None)) -> torch.Tensor:
        """The tensor called ``name``, or some ``rows`` of it (its first axis), in memory of its own.

        Raises:
            MergeError: the file ends before the tensor does.
        """
        import torch

        entry = self.entries[name]
        count = entry.shape[0] if entry.shape else 1
        start, stop, _ = rows.indices(count)
        width = (entry.end - entry.begin) // max(count, 1)
        raw = torch.empty((stop - start) * width, dtype=torch.uint8)
        _read_into(entry.file, entry.begin + start * width, raw.numpy().data)
        shape = (stop - start, *entry.shape[1:]) if entry.shape else ()
        return raw.view(getattr(torch, entry.dtype)).reshape(shape)


def refuse_pickles(folder: Path, stem: str) -> None:
    """Refuse a folder whose weights stand in a pickle only: opening one runs the code inside.

    Raises:
        MergeError: a pickle called ``<stem>*`` is there.
    """
    found = sorted(file for file in folder.glob(f"{stem}*") if file.suffix in PICKLES)
    if found:
        raise MergeError(
            "these weights are a pickle, which can run any code when opened; medft reads safetensors only",
            where=str(found[0]),
            remedy="use a safetensors revision of it, or have its owner save one",
        )


def _files(path: Path) -> Iterator[tuple[Path, set[str]]]:
    """Each safetensors file with the names that the index promises to be in it."""
    if path.is_file():
        if path.suffix != ".safetensors":
            refuse_pickles(path.parent, path.stem)
            raise MergeError("this is not a safetensors file", where=str(path))
        yield path, set()
    elif (path / INDEX).is_file():
        yield from _indexed(path)
    elif (path / SINGLE).is_file():
        yield path / SINGLE, set()
    else:
        for stem in ("pytorch_model", "model", "consolidated"):
            refuse_pickles(path, stem)
        raise MergeError(f"there is no {SINGLE} and no {INDEX}", where=str(path))


def _indexed(folder: Path) -> Iterator[tuple[Path, set[str]]]:
    index = read_object(folder / INDEX)
    places: dict[str, set[str]] = {}
    for name, file in index.get("weight_map", {}).items():
        places.setdefault(str(file), set()).add(name)
    for file, names in sorted(places.items()):
        if Path(file).name != file:
            raise MergeError("the index names a file outside of its folder", where=str(folder / INDEX))
        if Path(file).suffix in PICKLES:
            raise MergeError("the index names a pickle", where=str(folder / INDEX), remedy="use safetensors")
        yield folder / file, names


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        MergeError: missing, not JSON, or not an object.
    """
    try:
        value = read_json(path)
    except RunError as error:
        raise MergeError(error.what, where=error.where) from None
    if not isinstance(value, dict):
        raise MergeError(f"{path.name} is not a JSON object", where=str(path))
    return value


def read_header(file: Path) -> dict[str, Entry]:
    """What a safetensors file holds (format: 8 bytes length, JSON header, tensors one after another).

    Raises:
        MergeError: missing, truncated, or not this format.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if not 2 <= length <= min(_LONGEST_HEADER, size - 8):
                raise ValueError("its header is cut off")
            header = json.loads(opened.read(length))
        header.pop("__metadata__", None)
        entries = {name: _entry(file, 8 + length, value) for name, value in header.items()}
    except FileNotFoundError:
        raise MergeError(f"{file.name} is missing", where=str(file), remedy="fetch the model again") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MergeError(f"{file.name} is damaged: {error}", where=str(file)) from None
    end = max((entry.end for entry in entries.values()), default=8 + length)
    if end != size:
        raise MergeError(f"{file.name} holds {size:,} bytes, its header promises {end:,}", where=str(file))
    return entries


def _entry(file: Path, start: int, value: dict[str, Any]) -> Entry:
    begin, end = value["data_offsets"]
    shape = tuple(int(size) for size in value["shape"])
    if not 0 <= begin <= end:
        raise ValueError("a tensor ends before it begins")
    entry = Entry(file, DTYPES[value["dtype"]], shape, start + begin, start + end)
    if entry.end - entry.begin != nbytes(entry.dtype, shape):
        raise ValueError("a tensor's bytes do not fit its shape")
    return entry


def nbytes(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor of this type and shape."""
    width = {"bool": 1, "bfloat16": 2}.get(dtype) or int("".join(filter(str.isdigit, dtype))) // 8
    for size in shape:
        width *= size
    return width


def _read_into(file: Path, offset: int, buffer: memoryview) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        while buffer:  # one call reads at most 2 GiB
            got = os.preadv(descriptor, [buffer], offset)
            if not got:
                raise MergeError(f"{file.name} ended while it was read", where=str(file))
            buffer, offset = buffer[got:], offset + got
    finally:
        os.close(descriptor)


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
