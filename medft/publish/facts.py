"""What a run folder can prove about its model: the only source of the model card.

Owns what there is to be proved; how each part is read stands in `parts`. Knows nothing of wording, of files
to send, or of the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft.publish.card_sections import (
    Score,
    Source,
    mapping,
    public_name,
    read_decontamination,
    read_differences,
    read_hardware,
    read_losses,
    read_recipe,
    read_scores,
    read_sources,
    read_versions,
    strings,
    text,
)
from medft.publish.license import Terms, terms_of
from medft.report.subject import identify, number, read_figures, read_settings
from medft.runs import RunDir


@dataclass(frozen=True, slots=True)
class Facts:
    """A run as its card sees it."""

    title: str
    """model x dataset x template"""
    tiny: bool
    """Whether a tiny twin was trained: never published."""
    finished: bool
    """Whether summary.json is there."""
    base: str
    """Hub id of the 4-bit or 16-bit base that was trained on; a local folder's name alone."""
    base_16bit: str
    """Hub id of the 16-bit base; a local folder's name alone."""
    base_file: str
    """The GGUF file that the base's weights were dequantised from, with its hash; else empty."""
    revision: str
    """Pinned commit of the base, or empty."""
    terms: Terms
    """What the base's licence asks."""
    sources: tuple[Source, ...]
    """The data."""
    recipe: Mapping[str, Any]
    """Training settings by name, those that say something."""
    losses: Mapping[str, tuple[float, float]]
    """First and last loss, by split."""
    bits_per_byte: float | None
    """Last validation bits per byte of the answers."""
    scores: tuple[Score, ...]
    """Evaluations."""
    differences: tuple[str, ...]
    """Paired comparisons of the systems, in words."""
    ledger_notes: tuple[str, ...]
    """What the ledger tells its reader."""
    decontaminated: tuple[str, ...]
    """How training rows were kept apart from benchmarks; empty when it was not done."""
    versions: Mapping[str, str]
    """Packages and their versions."""
    hardware: str
    """What it ran on, or empty."""
    merge: Mapping[str, Any]
    """The reports of the merge and of its check from disk; empty when there was none."""
    curve: Path | None
    """The picture of the loss."""

    @property
    def languages(self) -> list[str]:
        """Languages of the data."""
        return sorted({source.language for source in self.sources if source.language})

    @property
    def verified(self) -> bool:
        """Whether the merged weights passed their check from disk: its report exists only then."""
        return bool(mapping(self.merge, "logits") and self.merged_files)

    @property
    def merged_files(self) -> Mapping[str, Any]:
        """SHA-256 by name of the merged files that passed."""
        return mapping(self.merge, "files")


def read_facts(run: RunDir) -> Facts:
    """Everything the card may claim.

    Raises:
        RunError: a file of the folder is damaged.
    """
    config, summary = read_settings(run.config), read_figures(run.summary)
    environment, ledger = read_figures(run.environment), read_figures(run.ledger)
    model = mapping(config, "model")
    identity = identify(run)
    losses = read_losses(run.loss_csv)
    return Facts(
        title=identity.title,
        tiny=identity.tiny or is_tiny(run),
        finished=run.summary.is_file(),
        base=public_name(model.get("base")),
        base_16bit=public_name(model.get("base_16bit") or model.get("base")),
        base_file=_base_file(mapping(summary, "base_file")),
        revision=text(model.get("revision")),
        terms=terms_of(
            text(model.get("licence")),
            text(model.get("licence_name")),
            text(model.get("licence_url")),
            text(model.get("name_must_start_with")),
        ),
        sources=tuple(read_sources(mapping(config, "dataset"), ledger)),
        recipe=read_recipe(config, summary),
        losses=losses,
        bits_per_byte=number(summary, "bits_per_byte"),
        scores=tuple(read_scores(run.evaluation)),
        differences=tuple(read_differences(run.evaluation)),
        ledger_notes=strings(ledger.get("notes")),
        decontaminated=tuple(read_decontamination(mapping(config, "dataset"), ledger)),
        versions=read_versions(environment),
        hardware=read_hardware(mapping(environment, "machine")),
        merge=mapping(summary, "merge"),
        curve=run.loss_png if run.loss_png.is_file() else None,
    )


def _base_file(record: Mapping[str, Any]) -> str:
    if not record:
        return ""
    kinds = ", ".join(strings(record.get("quantised"))) or "not quantised"
    return f"{text(record.get('file'))} ({kinds}; SHA-256 {text(record.get('sha256'))})"


def is_tiny(run: RunDir) -> bool:
    """Whether a folder of the run says that a tiny twin was trained."""
    from medft.models.tiny import MARK

    marked = bool(read_figures(run.merged / "config.json").get(MARK))
    base = text(read_figures(run.adapter / "adapter_config.json").get("base_model_name_or_path"))
    names = (run.root.resolve().parent.name, *Path(base).parts)
    return marked or any("tiny" in name.split("-") for name in names)
