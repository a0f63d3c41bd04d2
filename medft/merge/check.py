"""Whether merged files hold what they should, read from the disk without loading a model.

The exact test of every weight (``check_tensors``) does not depend on how long the adapter was trained. Each
element must be the rounding of ``W + s * B A``, computed here in float64, allowing for the error bound of the
float32 arithmetic that made it (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1: |error|
<= n u / (1 - n u) * sum |b||a|). That bound is some 1/500 of a bfloat16 step, so what passes is the right
number or, next to a tie, its neighbour: a copy of the base, an adapter applied twice or to the wrong layer,
or a changed byte do not, even where a single training step moves the weights by less than one rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medft.errors import MergeError
from medft.machine import one_thread
from medft.merge.adapter import Adapter, Change, LowRank, Replacement
from medft.merge.base import BaseWeights
from medft.merge.checkpoint import Checkpoint, Spec, read_object
from medft.merge.inputs import Inputs
from medft.merge.sidecar_files import (
    CONFIG,
    GENERATION,
    TOKENIZER_FILES,
    as_ids,
    merged_config,
    merged_generation,
    tokenizer_files,
)
from medft.merge.tensors import blocks, check_fit, is_rounded, merged_spec, rounded

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


def check_tensors(inputs: Inputs, merged: Path) -> TensorReport:
    """Compare every weight in ``merged`` with base + adapter.

    Raises:
        MergeError: a weight is missing, unexpected, of another shape or type, not finite, or not the rounded
        sum.
    """
    source, result = BaseWeights(inputs.base), Checkpoint(merged)
    changes = Adapter(inputs.adapter, source.specs)
    check_fit(source, changes, inputs.adapter)
    _check_names(source.specs, result)
    dtype = str(read_object(merged / CONFIG).get("dtype"))
    differing, elements, unchanged = 0, 0, []
    with one_thread():
        for name, spec in source.specs.items():
            _check_form(spec, result, dtype)
            different = _check_weight(source, spec, changes.get(name), result)
            if name in changes:
                differing, elements = differing + different, elements + math.prod(spec.shape)
                unchanged += [] if different else [name]
    share = differing / elements if elements else 0.0
    return TensorReport(len(source.specs), len(changes), share, tuple(unchanged))


def _check_names(specs: Mapping[str, Spec], result: Checkpoint) -> None:
    missing, unexpected = sorted(specs.keys() - result.entries), sorted(result.entries.keys() - specs)
    for names, word in ((missing, "missing"), (unexpected, "unexpected")):
        if names:
            raise MergeError(
                f"merged weights: {len(names)} {word}, the first is {names[0]}", where=str(result.path)
            )


def _check_form(spec: Spec, result: Checkpoint, dtype: str) -> None:
    entry, expected = result.entries[spec.name], merged_spec(spec, dtype)
    if entry.shape != expected.shape or entry.dtype != expected.dtype:
        what = f"{spec.name} is {entry.dtype} {entry.shape} and should be {expected.dtype} {spec.shape}"
        raise MergeError(what, where=str(entry.file))


def _check_weight(source: BaseWeights, spec: Spec, change: Change | None, result: Checkpoint) -> int:
    """Check one weight; returns how many elements differ from the base's, rounded alike."""
    import torch

    differing = 0
    for rows in blocks(spec):
        weight, found = source.read(spec.name, rows), result.read(spec.name, rows)
        copied = rounded(weight, result.entries[spec.name].dtype)
        if found.is_floating_point() and not torch.isfinite(found).all():
            raise _faulty(spec.name, "is not finite", result)
        if change is None:
            if not torch.equal(found, copied):
                raise _faulty(spec.name, "differs from the base, where the adapter changes nothing", result)
            continue
        wrong = int((~is_rounded(found, *_bounds(change, weight, rows))).sum())
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


def check_sidecars(inputs: Inputs, merged: Path) -> None:
    """Check config.json, generation_config.json and the tokenizer beside the merged weights.

    Raises:
        MergeError: a setting that is not the base's, a trace of quantisation, a stop id missing, another
            tokenizer than the adapter's, no chat template, or a left-over adapter.
    """
    config, generation = read_object(merged / CONFIG), read_object(merged / GENERATION)
    _check_settings(config, merged_config(inputs.base, str(config.get("dtype"))), merged / CONFIG)
    expected = merged_generation(inputs.base, inputs.stop_ids)
    stops = set(as_ids(generation.get("eos_token_id")))
    missing = sorted(set(as_ids(expected["eos_token_id"])) - stops)
    if missing:
        raise MergeError(f"generation would not stop at the ids {missing}", where=str(merged / GENERATION))
    _check_settings(generation, expected, merged / GENERATION)
    _check_tokenizer(tokenizer_files(inputs.adapter, inputs.base), merged)
    stray = merged / "adapter_config.json"
    if stray.exists():
        raise MergeError("an adapter lies among the merged weights", where=str(stray))


def _check_settings(found: Mapping[str, object], expected: Mapping[str, object], where: Path) -> None:
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
