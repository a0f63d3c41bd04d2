"""The writing of merged weights: base + LoRA adapter, tensor by tensor, in a memory of a few blocks of rows.

What is computed: ``round(W + s * B A)``, in float32, rounded once to the merged type (``rounding``). Rounded
to nearest, this is bit for bit peft's ``merge_and_unload`` of a base loaded in float32, cast once at the end.
For linear layers it is also peft's merge of a base loaded in the 16-bit type it is stored in, since peft
keeps a loaded adapter in float32 and adds it in place. Peft rounds twice, and so differs in the last bit, for
an embedding with LoRA, with ``safe_merge=True``, and when the base is cast to another type while it is
loaded. A base in 4 bits is dequantised to the 16-bit type that its layers compute with, and then treated the
same.
"""

from __future__ import annotations

import errno
import math
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from medft.errors import MergeError
from medft.machine import one_thread, probe
from medft.merge.adapter import Adapter, Change
from medft.merge.base import BaseKind, BaseWeights
from medft.merge.checkpoint import Spec
from medft.merge.inputs import Inputs
from medft.merge.rounding import Method, Rounding, rounded
from medft.merge.shards import Shards, plan_shards, size, sync, write_index, write_shard
from medft.merge.sidecar_files import write_sidecars
from medft.merge.tensors import blocks, check_fit, merged_spec

if TYPE_CHECKING:
    import torch

SHARD_BYTES = 5_000_000_000  # what hubs recommend: a broken transfer then costs little
_BESIDES = 64_000_000  # room for headers, tokenizer and configs


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What was merged into what."""

    base_kind: BaseKind
    """Whether the base was at hand in 16 bits or had to be dequantised."""
    dtype: str
    """Type of the merged weights."""
    rounding: Rounding
    """How the changed weights were rounded to it."""
    seed: int
    """Seed of stochastic rounding."""
    tensors: int
    """Weights written."""
    adapted: int
    """Weights among these that the adapter changes."""
    left_out: tuple[str, ...]
    """Stored tensors of the base that are no weights (rotary tables, a second copy of a tied embedding)."""
    bytes: int
    """Size of the weights."""
    shards: int
    """Files they are in."""
    stop_ids: tuple[int, ...]
    """Where generation ends."""
    seconds: float
    """Wall time, until the bytes are on the disk."""
    passed_over: tuple[str, ...] = ()
    """What was tried before this method, and what that lost."""


def write(inputs: Inputs, folder: Path, max_shard_bytes: int = SHARD_BYTES) -> MergeReport:
    """Write base + adapter into an existing folder.

    Args:
        inputs: what is merged.
        folder: empty.
        max_shard_bytes: largest weights file, unless one tensor is larger.

    Raises:
        MergeError: an input that cannot be merged, or a disk without room.
    """
    started = time.monotonic()
    source = BaseWeights(inputs.base)
    changes = Adapter(inputs.adapter, source.specs)
    method = inputs.merging.method(source.dtype, inputs.seed)
    check_fit(source, changes, inputs.adapter)
    shards = plan_shards((merged_spec(spec, method.dtype) for spec in source.specs.values()), max_shard_bytes)
    total = size(shards)
    if shutil.disk_usage(folder).free < total + _BESIDES:
        raise _no_room(folder, total)
    try:
        _write_shards(folder, shards, _Sum(source, changes, method))
        stops = write_sidecars(inputs, folder, method.dtype)
    except OSError as error:
        raise _no_room(folder, total) if error.errno == errno.ENOSPC else error from None
    return MergeReport(
        base_kind=source.kind,
        dtype=method.dtype,
        rounding=method.rounding,
        seed=method.seed,
        tensors=len(source.specs),
        adapted=len(changes),
        left_out=tuple(source.left_out),
        bytes=total,
        shards=len(shards),
        stop_ids=stops,
        seconds=time.monotonic() - started,
    )


@dataclass(frozen=True, slots=True)
class _Sum:
    """Base + adapter, and how the sum is rounded."""

    source: BaseWeights
    changes: Mapping[str, Change]
    method: Method

    def pieces(self, specs: Sequence[Spec]) -> Iterator[torch.Tensor]:
        """The merged weights ``specs``, block by block."""

        def tasks() -> Iterator[Callable[[], torch.Tensor]]:
            for spec in specs:
                change = self.changes.get(spec.name)
                for rows in blocks(spec):
                    yield partial(self._piece, spec, change, rows)

        return _in_order(tasks())

    def _piece(self, spec: Spec, change: Change | None, rows: slice) -> torch.Tensor:
        weight = self.source.read(spec.name, rows)
        if change is None:
            return rounded(weight, spec.dtype)
        try:
            exact = change.apply(weight, rows)
        except RuntimeError as error:
            where = str(self.source.folder)
            raise MergeError(f"the adapter does not fit {spec.name}: {error}", where=where) from None
        return self.method.round(exact, spec.name, rows.start * math.prod(spec.shape[1:]))


def _in_order(tasks: Iterator[Callable[[], torch.Tensor]]) -> Iterator[torch.Tensor]:
    """The results of ``tasks``, in their order, made by two threads where there are as many cores: rounding
    stochastically takes the time of the sum again."""
    workers = min(2, probe().cpu_cores)
    with ThreadPoolExecutor(workers) as pool:
        made: deque[Future[torch.Tensor]] = deque()
        for task in tasks:
            made.append(pool.submit(task))
            if len(made) > workers:
                yield made.popleft().result()
        for future in made:
            yield future.result()


def _write_shards(folder: Path, shards: Shards, merged: _Sum) -> None:
    with one_thread(), ThreadPoolExecutor(1) as disk:
        synced = []
        for file, specs in shards.items():
            write_shard(folder / file, specs, merged.pieces(specs))
            synced.append(disk.submit(sync, folder / file))
        for future in synced:
            future.result()
    write_index(folder, shards)
    sync(folder)


def _no_room(folder: Path, total: int) -> MergeError:
    free = shutil.disk_usage(folder).free
    return MergeError(
        f"the merged weights need {total + _BESIDES:,} bytes of disk, {free:,} are free",
        where=str(folder.parent),
        remedy="make room there, or choose another folder",
    )
