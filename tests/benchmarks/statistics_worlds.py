"""Worlds in which the truth is known: values of two systems without a difference, and values of one system
whose mean is known. Every world draws (repetitions, items) at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]


@dataclass(frozen=True)
class World:
    """Values of which the mean is known."""

    draw: Draw
    """Values, (repetitions, items)."""
    mean: float
    """Their mean in the long run."""
    promised: bool = True
    """Whether the coverage that medft promises holds here; heavy tails are outside it."""


ONE_SYSTEM: Mapping[str, World] = {
    "normal": World(lambda g, s: g.normal(0, 1, s), 0.0),
    "uniform": World(lambda g, s: g.random(s), 0.5),
    "like ROUGE-L: Beta(1.2, 6)": World(lambda g, s: g.beta(1.2, 6, s), 1.2 / 7.2),
    "bounded, more skewed: Beta(0.5, 3)": World(lambda g, s: g.beta(0.5, 3, s), 0.5 / 3.5),
    "near 1: Beta(8, 1)": World(lambda g, s: g.beta(8, 1, s), 8 / 9),
    "seven of ten are 0, the rest Beta(1.2, 6)": World(
        lambda g, s: g.beta(1.2, 6, s) * (g.random(s) < 0.3), 0.3 / 6
    ),
    "heavy tail: log-normal": World(lambda g, s: g.lognormal(0, 1, s), math.exp(0.5), promised=False),
    "heavy tail: t with 3 degrees": World(lambda g, s: g.standard_t(3, s), 0.0, promised=False),
}
"""Values of one system."""


def beside(draw: Draw) -> Callable[[np.random.Generator, tuple[int, int]], tuple[Floats, Floats]]:
    """Two systems of one distribution that share half of an item's difficulty."""

    def both(g: np.random.Generator, size: tuple[int, int]) -> tuple[Floats, Floats]:
        shared, first, second = (draw(g, size) for _ in range(3))
        return (shared + first) / 2, (shared + second) / 2

    return both


NO_DIFFERENCE = {
    "normal": beside(lambda g, s: g.normal(0, 1, s)),
    "like ROUGE-L: Beta(1.2, 6)": beside(lambda g, s: g.beta(1.2, 6, s)),
    "U-shaped: Beta(0.3, 0.3)": beside(lambda g, s: g.beta(0.3, 0.3, s)),
    "few values: 0, 1/2 or 1": beside(lambda g, s: g.integers(0, 3, s) / 2),
    "nine of ten equal": beside(lambda g, s: g.random(s) * (g.random(s) < 0.1)),
    "heavy tail: log-normal": beside(lambda g, s: g.lognormal(0, 1, s)),
}
"""Values of two systems that do not differ."""
LABELS = 3
PRIOR = (0.55, 0.34, 0.11)
"""The classes, as unequal as PubMedQA's."""


def classes(g: np.random.Generator, size: tuple[int, int], right: float) -> tuple[Floats, ...]:
    """Gold labels and the guesses of two systems that are equally often right; some guesses name no label."""
    gold = g.choice(LABELS, size, p=PRIOR)
    guesses = [
        np.where(g.random(size) < right, gold, g.choice(LABELS + 1, size, p=[0.5, 0.25, 0.15, 0.1]))
        for _ in range(2)
    ]
    return (gold, *guesses)


def macro_f1(cells: Floats) -> Floats:
    """Macro F1 from counts, (..., LABELS, LABELS + 1), labels that never occur left out."""
    hits = np.diagonal(cells[..., :LABELS], axis1=-2, axis2=-1)
    total = cells.sum(-1) + cells.sum(-2)[..., :LABELS]
    present = total > 0
    each = np.where(present, 2 * hits / np.where(present, total, 1), 0.0)
    found: Floats = each.sum(-1) / present.sum(-1)
    return found


def macro_f1_values(gold: Floats, guess: Floats) -> Floats:
    """The jackknife values per item of macro F1: without an item, it is what it would be with one less in the
    item's cell."""
    repetitions, n = gold.shape
    width = LABELS * (LABELS + 1)
    cell = (gold * (LABELS + 1) + guess).astype(int)
    flat = np.zeros((repetitions, width))
    np.add.at(flat, (np.arange(repetitions)[:, None], cell), 1)
    value = macro_f1(flat.reshape(-1, LABELS, LABELS + 1))
    less = np.maximum(flat[:, None] - np.eye(width), 0).reshape(repetitions, width, LABELS, LABELS + 1)
    without = np.take_along_axis(macro_f1(less), cell, 1)
    found: Floats = value[:, None] + (n - 1) * (without.mean(1, keepdims=True) - without)
    return found
