"""Weights on disk, read tensor by tensor: a folder of safetensors files with the shard index of transformers.

``Checkpoint`` lists the tensors and reads some rows of one. safetensors parses and checks the files' headers;
the bytes are read past it, because its memory map counts as resident memory, so that the peak would grow with
the model, and its other backend reads a whole tensor for every block of rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft.errors import EngineError, MergeError, RunError
from medft.files import read_json
from medft.models.folder import check_weights, shards_of

if TYPE_CHECKING:
    import torch

SINGLE = "model.safetensors"
DTYPES = {
    "I64": "int64",
    "F64": "float64",
    "F32": "float32",
    "I32": "int32",
    "BF16": "bfloat16",
    "F16": "float16",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""safetensors' names of the types that a merge can meet, and torch's, in the order that files have them."""


@dataclass(frozen=True, slots=True)
class Spec:
    """Name, type and shape of a tensor."""

    name: str
    """Its key."""
    dtype: str
    """torch's name of its type, such as ``bfloat16``."""
    shape: tuple[int, ...]
    """Its sizes."""

    @property
    def nbytes(self) -> int:
        """Its size on disk."""
        import torch

        dtype: torch.dtype = getattr(torch, self.dtype)
        return math.prod(self.shape) * dtype.itemsize


@dataclass(frozen=True, slots=True)
class Entry(Spec):
    """A tensor that is stored."""

    file: Path
    """The safetensors file."""
    begin: int
    """Its first byte, from the start of the file."""


class Checkpoint:
    """The tensors of a folder of safetensors, read one at a time.

    Args:
        path: the folder.
        single: the name of its file where there is one; several are listed in ``<single>.index.json``.

    Raises:
        MergeError: nothing to read there, only pickles, a damaged or truncated file, a name that the index
            promises and no file holds, or a name that two files hold.
    """

    def __init__(self, path: Path, single: str = SINGLE) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        """The tensors, in the order in which they are stored."""
        for file, promised in _files(path, single).items():
            found = {entry.name: entry for entry in _entries(file)}
            if missing := sorted(promised - found.keys()):
                what = f"tensors are missing: {len(missing)}, the first is {missing[0]}"
                raise MergeError(what, where=str(file))
            if twice := sorted(self.entries.keys() & found):
                raise MergeError(f"the tensor {twice[0]} is in two files", where=str(file))
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
        width = entry.nbytes // max(count, 1)
        raw = torch.empty((stop - start) * width, dtype=torch.uint8)
        with entry.file.open("rb") as opened:
            opened.seek(entry.begin + start * width)
            if opened.readinto(raw.numpy().data) != raw.nbytes:
                raise MergeError(f"{entry.file.name} is truncated", where=str(entry.file))
        shape = (stop - start, *entry.shape[1:]) if entry.shape else ()
        return raw.view(getattr(torch, entry.dtype)).reshape(shape)


def _files(folder: Path, single: str) -> dict[Path, set[str]]:
    """Each safetensors file with the names that the index promises to be in it."""
    index = folder / f"{single}.index.json"
    try:
        if index.is_file():
            return shards_of(index)
        check_weights(folder)
    except EngineError as error:
        raise MergeError(error.what, where=error.where, remedy=error.remedy) from None
    if not (folder / single).is_file():
        raise MergeError(f"there is no {single} and no {index.name}", where=str(folder))
    return {folder / single: set()}


def _entries(file: Path) -> list[Entry]:
    """What a safetensors file holds, in the order of its bytes: they follow each other without a gap, up to
    the end of the file, or safetensors refuses it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            stored = [(name, opened.get_slice(name)) for name in opened.offset_keys()]
            specs = [Spec(name, DTYPES[s.get_dtype()], tuple(s.get_shape())) for name, s in stored]
    except FileNotFoundError:
        raise MergeError(f"{file.name} is missing", where=str(file), remedy="fetch the model again") from None
    except SafetensorError as error:
        raise MergeError(f"{file.name} is damaged: {error}", where=str(file)) from None
    except KeyError as error:
        raise MergeError(f"tensors of type {error} cannot be merged", where=str(file)) from None
    begin = file.stat().st_size - sum(spec.nbytes for spec in specs)
    entries = []
    for spec in specs:
        entries.append(Entry(spec.name, spec.dtype, spec.shape, file, begin))
        begin += spec.nbytes
    return entries


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
