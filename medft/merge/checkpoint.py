"""Weights on disk, read tensor by tensor: a folder of safetensors files with the shard index of transformers.

Owns the reading of that format, what may be damaged in it, and the refusal of pickles. Knows nothing of
adapters, nor of writing (`shards`). Tensors are read with ``preadv`` and not through a memory map, because
mapped pages count as resident memory and would make the peak grow with the model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft.errors import MergeError, RunError
from medft.files import read_json
from medft.models.folder import PICKLES

if TYPE_CHECKING:
    import torch

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
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
                    f"tensors are missing: {len(missing)}, the first is {missing[0]}", where=str(file)
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
