"""What a merge starts from: the folders of base and adapter, and where generation must end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
