"""The records of a W&B offline run file, as W&B's own message types.

A file is LevelDB's log format under a header of seven bytes: blocks of 32 KiB, and in them chunks with a
checksum, a length and a type (whole, first, middle or last of a record).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK, _CHUNK, _IDENTITY = 32768, struct.Struct("<IHB"), b":W&B"
_FIRST_OF_FILE = 7


def records(file: Path) -> Iterator[Any]:
    """Every ``wandb_internal_pb2.Record`` of a ``.wandb`` file."""
    from wandb.proto import wandb_internal_pb2

    data = file.read_bytes()
    assert data.startswith(_IDENTITY)
    place, pending = _FIRST_OF_FILE, b""
    while place + _CHUNK.size <= len(data):
        if _BLOCK - place % _BLOCK < _CHUNK.size:  # padding at the end of a block
            place += _BLOCK - place % _BLOCK
            continue
        _, length, kind = _CHUNK.unpack_from(data, place)
        if kind == 0:
            break
        place += _CHUNK.size
        pending += data[place : place + length]
        place += length
        if kind in (1, 4):  # whole, or last
            yield wandb_internal_pb2.Record.FromString(pending)
            pending = b""


def rows(file: Path) -> list[dict[str, Any]]:
    """What was logged, step by step."""
    return [
        {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in records(file)
        if record.HasField("history")
    ]


def config(file: Path) -> dict[str, Any]:
    """The run's configuration."""
    found: dict[str, Any] = {}
    for record in records(file):
        for update in (record.run.config.update, record.config.update):
            found |= {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in update}
    return found
