"""Whether merged files hold what they should, read from the disk without loading a model.

Owns the exact test of every weight and of the files beside them. Knows nothing of logits.

The test of a weight does not depend on how long the adapter was trained. Each element must be the rounding of
``W + s * B A``, computed here in float64, allowing for the error bound of the float32 arithmetic that made it
(Higham, Accuracy and Stability of Numerical Algorithms, section 3.1: |error| <= n u / (1 - n u) * sum
|b||a|). That bound is some 1/500 of a bfloat16 step, so what passes is the right number or, next to a tie,
its neighbour: a copy of the base, an adapter applied twice or to the wrong layer, or a changed byte do not,
even where a single training step moves the weights by less than one rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft.errors import MergeError
from medft.merge.adapter import Adapter, Change, LowRank, Replacement
from medft.merge.base import FLOATS, Base
from medft.merge.checkpoint import Checkpoint, read_object
from medft.merge.shards import Spec
from medft.merge.sidecar_files import (
    CONFIG,
    GENERATION,
    TOKENIZER_FILES,
    as_ids,
    merged_config,
    merged_generation,
    tokenizer_files,
)
from medft.merge.stream import blocks, check_fit, one_thread

if TYPE_CHECKING:
    import torch

_UNIT = 2.0**-24  # unit roundoff of float32


@dataclass(frozen=True, slots=True)
class TensorReport:
    """What the comparison of every weight found."""

    tensors: int
    """Weights compared."""
    adapted: int
    """Of these, weights that the adapter changes."""
    changed_share: float
    """Share of the adapted weights' elements that differ from the base after rounding."""
    unchanged: tuple[str, ...]
    """Adapted weights in which rounding swallowed the whole change."""


def check_tensors(base: Path, adapter: Path, merged: Path) -> TensorReport:
    """Compare every weight in ``merged`` with base + adapter.

    Raises:
        MergeError: a weight is missing, surplus, of another shape or type, not finite, or not the rounded
        sum.
    """
    source, changes, result = Base(base), Adapter(adapter), Checkpoint(merged)
    check_fit(source, changes, adapter)
    _check_names(source.specs, result)
    dtype = str(read_object(merged / CONFIG).get("dtype"))
    differing, elements, unchanged = 0, 0, []
    with one_thread():
        for name, spec in source.specs.items():
            _check_form(spec, result, dtype)
            different = _check_weight(source, spec, changes.get(name), result)
            if name in changes:
                differing, elements = differing + different, elements + _count(spec)
                unchanged += [] if different else [name]
    share = differing / elements if elements else 0.0
    return TensorReport(len(source.specs), len(changes), share, tuple(unchanged))


def _count(spec: Spec) -> int:
    count = 1
    for size in spec.shape:
        count *= size
    return count


def _check_names(specs: Mapping[str, Spec], result: Checkpoint) -> None:
    missing, surplus = sorted(specs.keys() - result.entries), sorted(result.entries.keys() - specs)
    for names, word in ((missing, "missing"), (surplus, "surplus")):
        if names:
            raise MergeError(
                f"merged weights: {len(names)} {word}, the first is {names[0]}", where=str(result.path)
            )


def _check_form(spec: Spec, result: Checkpoint, dtype: str) -> None:
    entry = result.entries[spec.name]
    expected = dtype if spec.dtype in FLOATS else spec.dtype
    if entry.shape != spec.shape or entry.dtype != expected:
        what = f"{spec.name} is {entry.dtype} {entry.shape} and should be {expected} {spec.shape}"
        raise MergeError(what, where=str(entry.file))


def _check_weight(source: Base, spec: Spec, change: Change | None, result: Checkpoint) -> int:
    """Check one weight; returns how many elements differ from the base's, rounded alike."""
    import torch

    differing = 0
    for rows in blocks(spec):
        weight, found = source.read(spec.name, rows), result.read(spec.name, rows)
        copied = weight.to(found.dtype)
        if found.is_floating_point() and not torch.isfinite(found).all():
            raise _faulty(spec.name, "is not finite", result)
        if change is None:
            if not torch.equal(found, copied):
                raise _faulty(spec.name, "differs from the base, where the adapter changes nothing", result)
            continue
        lowest, highest = (bound.to(found.dtype) for bound in _bounds(change, weight, rows))
        wrong = int(((found < lowest) | (found > highest)).sum())
        if wrong:
            raise _faulty(spec.name, f"is not base + adapter (in {wrong} places of one block)", result)
        differing += int((found != copied).sum())
    return differing


def _faulty(name: str, what: str, result: Checkpoint) -> MergeError:
    file = str(result.entries[name].file)
    return MergeError(f"merged weights: {name} {what}", where=file, remedy="merge again")


def _bounds(change: Change, weight: torch.Tensor, rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Between which numbers, before rounding, float32 arithmetic may have ended."""
    if isinstance(change, Replacement):
        exact = change.tensor[rows].double()
        return exact, exact
    exact, error = _exact(change, weight, rows)
    return exact - error, exact + error


def _exact(change: LowRank, weight: torch.Tensor, rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """base + adapter in float64 and the largest error of the same in float32, element by element."""
    import torch

    own = weight if change.own_base is None else change.own_base[rows]
    a, b = change.a.double(), change.b.double()
    a, b = (b.T, a[:, rows].T) if change.embedding else (a, b[rows])
    exact = own.double() + change.scaling * (b @ a)
    size = own.abs().double() + abs(change.scaling) * (b.norm(dim=1, keepdim=True) * a.norm(dim=0))
    error = (a.shape[0] + 3) * _UNIT * size
    if change.magnitude is None:
        return exact, error
    lengths = torch.linalg.norm(exact, dim=1, keepdim=True)
    factor = change.magnitude[rows].double().view(-1, 1) / lengths
    relative = error.norm(dim=1, keepdim=True) / lengths + 64 * _UNIT
    return factor * exact, factor.abs() * (error + relative * exact.abs())


def check_companions(base: Path, adapter: Path, merged: Path, stop_ids: Sequence[int]) -> None:
    """Check config.json, generation_config.json and the tokenizer beside the merged weights.

    Raises:
        MergeError: a setting that is not the base's, a trace of quantisation, a stop id missing, another
            tokenizer than the adapter's, no chat template, or a left-over adapter.
    """
    config, generation = read_object(merged / CONFIG), read_object(merged / GENERATION)
    _check_settings(config, merged_config(base, str(config.get("dtype"))), merged / CONFIG)
    expected = merged_generation(base, stop_ids)
    stops = set(as_ids(generation.get("eos_token_id")))
    missing = sorted(set(as_ids(expected["eos_token_id"])) - stops)
    if missing:
        raise MergeError(f"generation would not stop at the ids {missing}", where=str(merged / GENERATION))
    _check_settings(generation, expected, merged / GENERATION)
    _check_tokenizer(tokenizer_files(adapter, base), merged)
    stray = merged / "adapter_config.json"
    if stray.exists():
        raise MergeError("an adapter lies among the merged weights", where=str(stray))


def _check_settings(found: Mapping[str, Any], expected: Mapping[str, Any], where: Path) -> None:
    nothing = object()
    wrong = sorted(
        key for key in found.keys() | expected if found.get(key, nothing) != expected.get(key, nothing)
    )
    if wrong:
        raise MergeError(f"{where.name} is not the base's in: {', '.join(wrong)}", where=str(where))


def _check_tokenizer(expected: Mapping[str, Path], merged: Path) -> None:
    for name in TOKENIZER_FILES:
        if _content(expected.get(name)) != _content(merged / name):
            raise MergeError(
                f"the tokenizer is not the one that was trained with: {name} differs", where=str(merged)
            )
    if not _has_chat_template(merged):
        raise MergeError("the tokenizer has no chat template", where=str(merged))


def _content(path: Path | None) -> bytes | None:
    return path.read_bytes() if path and path.is_file() else None


def _has_chat_template(folder: Path) -> bool:
    files = any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json"))
    return files or bool(read_object(folder / "tokenizer_config.json").get("chat_template"))
