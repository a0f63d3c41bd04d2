"""Draws: as many rows of each source as limits and weights allow, by seed, whatever the order of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np

from medft.data.cleaning.key_index import KeyArray, KeyIndex, Mask
from medft.data.cleaning.selection import Selection
from medft.data.config import DatasetConfig

NOT_DRAWN = "not_drawn"


def draw(index: KeyIndex, selection: Selection, config: DatasetConfig, seed: int) -> None:
    """Keep as many rows of each source as limits and weights allow, drawn by seed."""
    source, order = index.column("source"), seeded(index.column("content"), seed)

    def keep(rows: Mask, limit: int) -> None:
        candidates = np.flatnonzero(rows & selection.kept)
        surplus = np.zeros_like(rows)
        surplus[candidates[np.argsort(order[candidates], kind="stable")[limit:]]] = True
        selection.drop(NOT_DRAWN, surplus)

    rows_of = {name: source == position for position, name in enumerate(config.members())}
    for name, member in config.sources.items():
        if member.limit is not None:
            keep(rows_of[name], member.limit)
    available = {name: int((rows & selection.kept).sum()) for name, rows in rows_of.items()}
    for name, share in _shares(config, available).items():
        keep(rows_of[name], share)
        if share > available[name]:
            selection.notes.append(f"{name}: {share:,} rows requested, {available[name]:,} available")
    if config.limit is not None:
        keep(np.ones_like(selection.kept), config.limit)


def seeded(values: KeyArray, seed: int) -> KeyArray:
    """Keys in which the order of ``values`` is shuffled by ``seed``.

    The finaliser of SplitMix64 (Steele et al. 2014, "Fast splittable pseudorandom number generators") is a
    bijection, so that distinct keys stay distinct.
    """
    start = int.from_bytes(blake2b(str(seed).encode(), digest_size=8).digest(), "little")
    mixed = values.astype(np.uint64) ^ np.uint64(start)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def _shares(config: DatasetConfig, available: Mapping[str, int]) -> dict[str, int]:
    """Rows to draw from each member by weight: of ``limit`` (largest remainders), or as many as there can be
    without any member falling short."""
    if not config.weights:
        return {}
    total = config.limit or int(min(available[name] / weight for name, weight in config.weights.items()))
    exact = {name: total * weight for name, weight in config.weights.items()}
    shares = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: shares[name] - exact[name])
    for name in by_remainder[: total - sum(shares.values())]:
        shares[name] += 1
    return shares
