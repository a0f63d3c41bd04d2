"""Checks merged files from disk without loading a model.

The exact test of every weight (``check_tensors``) does not depend on how long the adapter was trained. Each
element must be the rounding of ``W + s * B A`` by the method of the merge, computed here in float64, allowing
for the error bound of the float32 arithmetic that made it (Higham, Accuracy and Stability of Numerical
Algorithms, section 3.1: |error| <= n u / (1 - n u) * sum |b||a|). That bound is some 1/500 of a bfloat16
step, so what passes is the right number or, next to a tie, its neighbour: a copy of the base, an adapter
applied twice or to the wrong layer, or a changed byte do not, even where a single training step moves the
weights by less than one rounding.
Stochastic rounding is held to its random numbers, which are made again, and its errors to a mean of 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medft.errors import MergeError
from medft.machine import one_thread, probe
from medft.merge.adapter import Adapter, Change, LowRank, Replacement
from medft.merge.base import BaseWeights
from medft.merge.checkpoint import Checkpoint, Spec, read_object
from medft.merge.inputs import Inputs
from medft.merge.rounding import Bias, Method, rounded, stream_key
from medft.merge.sidecar_files import CONFIG
from medft.merge.tensors import blocks, check_fit, merged_spec

if TYPE_CHECKING:
    import torch

_UNIT = 2.0**-24  # unit roundoff of float32
_SIGMAS = 6.0
"""Standard errors by which the mean error of a weight's stochastic rounding may miss 0: chance passes that
once in 500 million weights."""


@dataclass(frozen=True, slots=True)
class TensorReport:
    """What the comparison of every weight found."""

    tensors: int
    """Weights compared."""
    adapted: int
    """Weights among these that the adapter changes."""
    changed_share: float
    """Share of the adapted weights' elements that differ from the base after rounding."""
    unchanged: tuple[str, ...]
    """Adapted weights in which rounding swallowed the whole change."""
    bias: float
    """Largest mean error of a weight's stochastic rounding, in standard errors; 0 for rounding to nearest."""


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
    method = inputs.merging.method(source.dtype, inputs.seed)
    dtype = str(read_object(merged / CONFIG).get("dtype"))
    specs = tuple(source.specs.values())
    for spec in specs:
        _check_form(spec, result, dtype)
    if dtype != method.dtype:
        raise MergeError(f"the merged weights are {dtype} and should be {method.dtype}", where=str(merged))
    if len({stream_key(method.seed, name) for name in changes}) < len(changes):
        raise MergeError("two weights would be rounded by the same random numbers", where=str(merged))
    comparison = _Comparison(source, result, method)
    differing, elements, unchanged, bias = 0, 0, [], 0.0
    with one_thread(), ThreadPoolExecutor(min(2, probe().cpu_cores)) as pool:
        for name, different, sigmas in pool.map(lambda spec: comparison.weight(spec, changes), specs):
            if name in changes:
                differing, elements = differing + different, elements + math.prod(source.specs[name].shape)
                unchanged += [] if different else [name]
                bias = max(bias, sigmas)
    share = differing / elements if elements else 0.0
    return TensorReport(len(source.specs), len(changes), share, tuple(unchanged), bias)


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


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Merged weights beside those they were made of."""

    source: BaseWeights
    result: Checkpoint
    method: Method

    def weight(self, spec: Spec, changes: Mapping[str, Change]) -> tuple[str, int, float]:
        """Check one weight; returns its name and what ``adapted`` finds."""
        if change := changes.get(spec.name):
            return spec.name, *self.adapted(spec, change)
        self.untouched(spec)
        return spec.name, 0, 0.0

    def untouched(self, spec: Spec) -> None:
        """Check a weight that the adapter does not change."""
        for _, weight, found in self._blocks(spec):
            if not _equal(found, rounded(weight, self.result.entries[spec.name].dtype)):
                raise self._faulty(spec.name, "differs from the base although the adapter does not change it")

    def adapted(self, spec: Spec, change: Change) -> tuple[int, float]:
        """Check a weight that the adapter changes; returns how many elements differ from the base's, rounded
        alike, and the mean error in standard errors."""
        differing, bias, row = 0, Bias(), math.prod(spec.shape[1:])
        for rows, weight, found in self._blocks(spec):
            lowest, highest = _bounds(change, weight, rows)
            noise = self.method.noise(spec.name, rows.start * row, found.numel())
            wrong = int((~self.method.between(found, lowest, highest, noise)).sum())
            if wrong:
                how = "to nearest" if noise is None else f"stochastically with the seed {self.method.seed}"
                what = f"is not base + adapter, rounded {how} (in {wrong} places of one block)"
                raise self._faulty(spec.name, what)
            if noise is not None:
                bias.add(found, (lowest + highest) / 2)
            differing += int((found != rounded(weight, self.method.dtype)).sum())
        if bias.sigmas > _SIGMAS:
            raise self._faulty(spec.name, f"is rounded with a bias of {bias.sigmas:.1f} standard errors")
        return differing, bias.sigmas

    def _blocks(self, spec: Spec) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
        """Block by block, the base's values and the merged ones, which must be numbers."""
        import torch

        for rows in blocks(spec):
            found = self.result.read(spec.name, rows)
            if found.is_floating_point() and not torch.isfinite(found).all():
                raise self._faulty(spec.name, "is not finite")
            yield rows, self.source.read(spec.name, rows), found

    def _faulty(self, name: str, what: str) -> MergeError:
        file = str(self.result.entries[name].file)
        return MergeError(f"merged weights: {name} {what}", where=file, remedy="merge again")


def _equal(left: torch.Tensor, right: torch.Tensor) -> bool:
    import torch

    return torch.equal(left, right)


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
