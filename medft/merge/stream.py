"""The merge: a base and a LoRA adapter become one folder of plain weights, tensor by tensor.

Owns the order of the work, the memory bound (a few blocks of rows and the change of one tensor, whatever the
size of the model) and the promise that the folder appears whole or not at all. Knows nothing of runs, engines
or the hub, and does not judge its own result: that is ``verify``.

What is computed: ``round(W + s * B A)``, in float32, rounded once to the merged type. Bit for bit, this is
peft's ``merge_and_unload`` of a base loaded in float32, cast once at the end. For linear layers it is also
peft's merge of a base loaded in the 16-bit type it is stored in, since peft keeps a loaded adapter in
float32 and adds it in place. Peft rounds twice, and so differs in the last bit, for an embedding with LoRA,
with ``safe_merge=True``, and when the base is cast to another type while it is loaded. A base in 4 bits is
dequantised to the 16-bit type that its layers compute with, and then treated the same.

    report = merge(base_folder, run.adapter, run.merged, stop_ids=(1, 107))
    print(f"{report.adapted} of {report.tensors} tensors, {report.base_kind} base, {report.seconds:.0f} s")
"""

from __future__ import annotations

import contextlib
import errno
import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medft.errors import MergeError
from medft.files import atomic_folder
from medft.merge.adapter import Adapter, Change
from medft.merge.base import EMBEDDING, FLOATS, OUTPUT, Base, BaseKind
from medft.merge.shards import Spec, shard_names, split, sync, write_index, write_shard
from medft.merge.sidecar_files import write_companions

if TYPE_CHECKING:
    import torch

Dtype = Literal["bfloat16", "float16", "float32"]
Progress = Callable[[int, int], None]
"""Called with the bytes merged so far and in total."""

SHARD_BYTES = 5_000_000_000  # what hubs recommend: a broken transfer then costs little
_BLOCK = 1 << 19  # elements that are computed at a time: 2 MiB of float32
_BESIDES = 64_000_000  # room for headers, tokenizer and configs


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What was merged into what."""

    base_kind: BaseKind
    """Whether the base was at hand in 16 bits or had to be dequantised."""
    dtype: str
    """Type of the merged weights."""
    tensors: int
    """Weights written."""
    adapted: int
    """Of these, weights that the adapter changes."""
    left_out: tuple[str, ...]
    """Stored tensors of the base that are no weights (rotary tables, a second copy of a tied embedding)."""
    bytes: int
    """Size of the weights."""
    shards: int
    """Files they stand in."""
    stop_ids: tuple[int, ...]
    """Where generation ends."""
    seconds: float
    """Wall time, until the bytes are on the disk."""


def merge(
    base: Path,
    adapter: Path,
    out: Path,
    *,
    dtype: Dtype | None = None,
    max_shard_bytes: int = SHARD_BYTES,
    stop_ids: Iterable[int] = (),
    progress: Progress | None = None,
) -> MergeReport:
    """Write base + adapter into the folder ``out``, replacing it at the end; an error leaves nothing behind.

    Args:
        base: folder of the base model; better the 16-bit one than the 4-bit one it was trained on.
        adapter: folder of the LoRA adapter, with the tokenizer it was trained with.
        out: folder to be written.
        dtype: type of the merged weights; None keeps the base's, with bfloat16 for a float32 base.
        max_shard_bytes: largest weights file, unless one tensor is larger.
        stop_ids: token ids that must end a generation, beside those that the base names.
        progress: told how far it is.

    Raises:
        MergeError: an input that cannot be merged, or a disk without room.
    """
    with atomic_folder(out) as aside:
        return write_merged(
            base,
            adapter,
            aside,
            dtype=dtype,
            max_shard_bytes=max_shard_bytes,
            stop_ids=stop_ids,
            progress=progress,
        )


def write_merged(
    base: Path,
    adapter: Path,
    folder: Path,
    *,
    dtype: Dtype | None = None,
    max_shard_bytes: int = SHARD_BYTES,
    stop_ids: Iterable[int] = (),
    progress: Progress | None = None,
) -> MergeReport:
    """``merge`` into an existing folder, without the promise that it appears whole."""
    started = time.monotonic()
    source, changes = Base(base), Adapter(adapter)
    target = dtype or (source.dtype if source.dtype in ("bfloat16", "float16") else "bfloat16")
    check_fit(source, changes, adapter)
    shards = split((merged_spec(spec, target) for spec in source.specs.values()), max_shard_bytes)
    total = sum(spec.nbytes for shard in shards for spec in shard)
    _check_room(folder, total)
    try:
        _write_shards(folder, shards, source, changes, progress or (lambda done, total: None))
        stops = write_companions(base, adapter, folder, target, stop_ids)
    except OSError as error:
        raise _no_room(folder, total) if error.errno == errno.ENOSPC else error from None
    return MergeReport(
        base_kind=source.kind,
        dtype=target,
        tensors=len(source.specs),
        adapted=len(changes),
        left_out=tuple(source.left_out),
        bytes=total,
        shards=len(shards),
        stop_ids=stops,
        seconds=time.monotonic() - started,
    )


def check_fit(source: Base, changes: Mapping[str, Change], adapter: Path) -> None:
    """Refuse an adapter made for other weights.

    Raises:
        MergeError: it changes a tensor that the base does not have, or one half of a tied pair.
    """
    strangers = sorted(changes.keys() - source.specs.keys())
    if source.tied and changes.keys() & {EMBEDDING, OUTPUT}:
        raise MergeError(
            "the adapter changes the embedding, which this base also uses as its output layer: "
            "merged weights can hold the change for both or for none, not for one",
            where=str(adapter),
            remedy="train without embed_tokens and lm_head among the targets",
        )
    if strangers:
        raise MergeError(
            f"the adapter changes {len(strangers)} tensors that the base lacks, the first is {strangers[0]}",
            where=str(adapter),
            remedy=f"is {source.folder} the model it was trained on?",
        )


def merged_spec(spec: Spec, dtype: str) -> Spec:
    """The weight as it will be written: floats in ``dtype``, anything else as it is."""
    return Spec(spec.name, dtype if spec.dtype in FLOATS else spec.dtype, spec.shape)


def merged_rows(source: Base, spec: Spec, change: Change | None, rows: slice) -> torch.Tensor:
    """Some rows of the weight ``spec.name`` with its change, rounded once to ``spec.dtype``."""
    import torch

    weight = source.read(spec.name, rows)
    try:
        changed = weight if change is None else change.apply(weight, rows)
    except RuntimeError as error:
        raise MergeError(f"the adapter does not fit {spec.name}: {error}", where=str(source.folder)) from None
    return changed.to(getattr(torch, spec.dtype))


def blocks(spec: Spec) -> Iterator[slice]:
    """The rows of a tensor, in blocks that fit a processor's cache.

    Blocks have a multiple of 16 rows, and the last one takes what is left over: BLAS libraries compute
    products of very few rows by other routines, which round differently; peft multiplies the whole tensor.
    """
    count = spec.shape[0] if spec.shape else 1
    step = max(16, _BLOCK // max(1, math.prod(spec.shape[1:])) // 16 * 16)
    starts = range(0, max(1, count // step) * step, step)
    for start in starts:
        yield slice(start, count if start == starts[-1] else start + step)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread. Blocks are small and another thread is writing: several threads would wait for
    each other at every block, on a busy machine longer than they compute."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _write_shards(
    folder: Path, shards: list[list[Spec]], source: Base, changes: Mapping[str, Change], progress: Progress
) -> None:
    total, done = sum(spec.nbytes for shard in shards for spec in shard), 0

    def pieces(shard: list[Spec]) -> Iterator[torch.Tensor]:
        nonlocal done
        for spec in shard:
            change = changes.get(spec.name)
            for rows in blocks(spec):
                yield merged_rows(source, spec, change, rows)
            done += spec.nbytes
            progress(done, total)

    with one_thread(), ThreadPoolExecutor(1) as disk:
        synced = []
        for file, shard in zip(shard_names(len(shards)), shards, strict=True):
            write_shard(folder / file, shard, pieces(shard))
            synced.append(disk.submit(sync, folder / file))
        for future in synced:
            future.result()
    write_index(folder, shards)
    sync(folder)


def _check_room(folder: Path, total: int) -> None:
    if shutil.disk_usage(folder).free < total + _BESIDES:
        raise _no_room(folder, total)


def _no_room(folder: Path, total: int) -> MergeError:
    free = shutil.disk_usage(folder).free
    return MergeError(
        f"the merged weights need {total + _BESIDES:,} bytes of disk, {free:,} are free",
        where=str(folder.parent),
        remedy="make room there, or choose another folder",
    )
