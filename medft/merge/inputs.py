"""Inputs of a merge: the folders of base and adapter, the stop ids, and how the merged weights are
stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from medft.merge.rounding import MergingConfig


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is merged into what."""

    base: Path
    """Folder of the base model; better the 16-bit one than the 4-bit one that the adapter was trained on."""
    adapter: Path
    """Folder of the LoRA adapter, with the tokenizer it was trained with."""
    stop_ids: tuple[int, ...] = ()
    """Token ids that must end a generation, beside those that the base names."""
    trained_on: Path | None = None
    """Folder of the 4-bit base that the adapter was trained on, to be compared with; None without one."""
    merging: MergingConfig = field(default_factory=MergingConfig)
    """How the merged weights are stored."""
    seed: int = 0
    """Seed of stochastic rounding."""
    strict: bool = True
    """Whether weights that lose part of the gain by their rounding are refused; not where rounding to nearest
    was asked for by name."""
