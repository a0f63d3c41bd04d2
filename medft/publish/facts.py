"""What a run folder proves about its model: the only source of the model card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medft.aliases import Json
from medft.publish import card_sections
from medft.publish.card_sections import DataSource, Score
from medft.publish.license import Terms, terms_of
from medft.publish.prompts import Prompt, prompts, takes_system
from medft.runs import RunDir
from medft.runs.losses import Loss, named
from medft.runs.record import RunRecord, read_mapping
from medft.runs.values import mapping, strings, text

_TERMS = ("license", "license_name", "license_url", "name_must_start_with")


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
    """What the base's license asks."""
    sources: tuple[DataSource, ...]
    """The data."""
    prompts: tuple[Prompt, ...]
    """How questions were worded in training."""
    system_role: bool
    """Whether the chat template has a system role; without one the system text begins the user's turn."""
    recipe: Json
    """Training settings by name, those that say something."""
    losses: tuple[Loss, ...]
    """The losses, by the names that they have everywhere."""
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
    merge: Json
    """The reports of the merge and of its check from disk; empty when there was none."""
    curve: Path | None
    """The picture of the loss."""

    @property
    def identifiers(self) -> Counter[str]:
        """Patterned identifiers that are still in the training data, by kind."""
        return sum((Counter(source.identifiers) for source in self.sources), Counter[str]())

    @property
    def languages(self) -> list[str]:
        """Languages of the data."""
        return sorted({source.language for source in self.sources if source.language})

    @property
    def verified(self) -> bool:
        """Whether the merged weights passed their check from disk: its report exists only then."""
        return bool((mapping(self.merge, "logits") or self.merge.get("not_compared")) and self.merged_files)

    @property
    def merged_files(self) -> Mapping[str, str]:
        """SHA-256 by name of the merged files that passed."""
        return {name: text(digest) for name, digest in mapping(self.merge, "files").items()}


def read_facts(run: RunDir) -> Facts:
    """Everything the card may claim.

    Raises:
        RunError: a file of the folder is damaged.
    """
    record = RunRecord(run)
    model = mapping(record.settings, "model")
    return Facts(
        title=record.identity.title,
        tiny=record.identity.tiny or _is_tiny(run),
        finished=run.summary.is_file(),
        base=_public_name(model.get("base")),
        base_16bit=_public_name(model.get("base_16bit") or model.get("base")),
        base_file=_base_file(mapping(record.summary, "base_file")),
        revision=text(model.get("revision")),
        terms=terms_of(*(text(model.get(key)) for key in _TERMS)),
        sources=tuple(card_sections.sources(record)),
        prompts=prompts(record),
        system_role=takes_system(run),
        recipe=card_sections.recipe(record),
        losses=tuple(named(record)),
        scores=tuple(card_sections.scores(record)),
        differences=tuple(card_sections.differences(record)),
        ledger_notes=strings(record.ledger.get("notes")),
        decontaminated=tuple(card_sections.decontamination(record)),
        versions=card_sections.versions(record),
        hardware=card_sections.hardware(record),
        merge=mapping(record.summary, "merge"),
        curve=run.loss_png if run.loss_png.is_file() else None,
    )


def _base_file(record: Json) -> str:
    if not record:
        return ""
    kinds = ", ".join(strings(record.get("quantised"))) or "not quantised"
    return f"{text(record.get('file'))} ({kinds}; SHA-256 {text(record.get('sha256'))})"


def _is_tiny(run: RunDir) -> bool:
    """Whether the weights or the folder's name say that a tiny twin was trained, whatever its settings."""
    from medft.models.tiny import MARK

    marked = bool(read_mapping(run.merged / "config.json").get(MARK))
    base = text(read_mapping(run.adapter / "adapter_config.json").get("base_model_name_or_path"))
    names = (run.root.resolve().parent.name, *Path(base).parts)
    return marked or any("tiny" in name.split("-") for name in names)


def _public_name(base: object) -> str:
    """A hub id as it is; of a local folder only the last name, since the rest tells of a machine."""
    name = text(base)
    return Path(name).name if name.startswith((".", "/", "~")) or name.count("/") > 1 else name
