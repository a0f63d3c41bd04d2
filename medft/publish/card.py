"""The model card: what a run folder can prove, as Markdown with hub metadata (templates/card.md.jinja).

Every value that the template prints is escaped unless the code here made it: names come from configurations
and hubs, and a card is shown as a web page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medft.errors import ConfigError
from medft.merge.kept import kept
from medft.publish.card_sections import DataSource
from medft.publish.facts import Facts
from medft.publish.license import PERMISSIVE, narrows, restrictions
from medft.publish.prompts import Prompt
from medft.report.markdown import Markdown, code, escape, link
from medft.runs.values import mapping, number, strings, text

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData
    from jinja2 import Environment

Content = Literal["adapter", "merged", "both"]

_TEMPLATES = Path(__file__).parent / "templates"
_LOSSES = {"base": "base", "merged": "merged", "adapted": "unmerged", "quantised": "4-bit base + adapter"}


def write_card(facts: Facts, repo: str, kind: Content) -> str:
    """The README.md of a repository ``repo`` (owner/name) that holds ``kind``.

    Raises:
        ConfigError: ``repo`` is not a hub id.
    """
    if not is_hub_id(repo):
        raise ConfigError(f"'{repo}' is not a hub id", remedy="write repo=owner/name")
    card = (
        _environment()
        .get_template("card.md.jinja")
        .render(
            facts=facts,
            sources=[_shown(source) for source in facts.sources],
            kind=kind,
            repo=Markdown(repo),
            title=repo.rpartition("/")[2],
            metadata=Markdown(f"---\n{metadata(facts, repo, kind).to_yaml()}\n---"),
            consequences=list(consequences(facts.sources)),
            dropped=sum((Counter(dict(s.dropped)) for s in facts.sources), Counter()).most_common(),
            merge_sentence=merge_sentence(facts),
            lora_rank=lora_rank(facts),
            example=Markdown(_example(facts)),
        )
    )
    return re.sub(r"\n{3,}", "\n\n", card).strip() + "\n"


def metadata(facts: Facts, repo: str, kind: Content) -> ModelCardData:
    """The card's YAML head: only ids that the hub can know, so no local folder is ever in it."""
    from huggingface_hub import ModelCardData

    license_id, license_name, license_link = _license(facts, repo)
    data_sets = [source.repo for source in facts.sources if is_hub_id(source.repo)]
    return ModelCardData(
        base_model=facts.base_16bit if is_hub_id(facts.base_16bit) else None,
        datasets=data_sets or None,
        language=[code for code in facts.languages if re.fullmatch(r"[a-z]{2,3}", code)] or None,
        library_name="peft" if kind == "adapter" else "transformers",
        license=license_id,
        license_name=license_name,
        license_link=license_link,
        pipeline_tag="text-generation",
        tags=["medical", "medft", "lora", "not-for-clinical-use"],
        base_model_relation="adapter" if kind == "adapter" else "finetune",
    )


def _license(facts: Facts, repo: str) -> tuple[str, str | None, str | None]:
    """The hub's license id; and, for one it does not know, a name and where the terms stand.

    A permissive base does not make a model free to use whose data asks for more: what the card says of the
    data then belongs to the terms.
    """
    terms = facts.terms
    if terms.id in PERMISSIVE and narrows((source.license, source.license_note) for source in facts.sources):
        return "other", f"{terms.id}-and-terms-of-the-data", f"https://huggingface.co/{repo}#data"
    if terms.id == "other":
        return "other", _slug(terms.name), terms.url or None
    return terms.id, None, None


def consequences(sources: tuple[DataSource, ...]) -> Iterator[tuple[str, str]]:
    """What follows from each data license: (name of the data set, sentence)."""
    for source in sources:
        for rule in restrictions(source.license, source.license_note):
            yield source.name, rule.consequence
        if source.license_note:
            yield source.name, source.license_note


def _example(facts: Facts) -> str:
    """A conversation as the model met them in training, in the language of its data."""
    plain = Prompt("qa", (facts.languages or ["en"])[0], "", "{question}")
    return (facts.prompts or (plain,))[0].example(facts.system_role)


def lora_rank(facts: Facts) -> int | None:
    """What vLLM must be given for the rank; None where its default of 16 suffices. It takes powers of two."""
    rank = facts.recipe.get("LoRA rank")
    return 1 << (rank - 1).bit_length() if isinstance(rank, int) and rank > 16 else None


def merge_sentence(facts: Facts) -> str:
    """What is known of the merge, in words."""
    base = facts.merge.get("base_kind")
    told = f"The adapter was merged into the {base} base. " if isinstance(base, str) else ""
    if not facts.verified:
        return told + "There is no record of a check of the merged weights."
    if facts.merge.get("not_compared"):
        return told + f"Every merged weight was read from disk and is exact; {kept(facts.merge)}."
    told += "The merged weights were loaded from disk, compared with base + adapter, and passed."
    logits = mapping(facts.merge, "logits")
    for key, what in (
        ("rounding", "To the unmerged base + adapter their logits differ"),
        ("quantised", "On the 4-bit base the unmerged adapter's logits differ from those on this base"),
    ):
        found = mapping(logits, key)
        relative, agreement = number(found, "relative"), number(found, "top1_agreement")
        if relative is not None and agreement is not None:
            told += (
                f" {what} by {relative:.2%} of what the adapter changes, and the likeliest token is the same"
                f" in {agreement:.1%} of positions."
            )
    if "lost" in logits:
        sentence = kept(facts.merge)
        told += f" {sentence[0].upper()}{sentence[1:]}."
    losses = {words: number(mapping(logits, "heldout_loss"), key) for key, words in _LOSSES.items()}
    shown = [f"{loss:.4f} {words}" for words, loss in losses.items() if loss is not None]
    if shown:
        rows, split = number(logits, "rows"), text(logits.get("split"))
        told += f" Loss on {f'{rows:.0f} {split} rows' if rows and split else 'the rows it was judged on'}: "
        told += ", ".join(shown) + "."
    swallowed = len(strings(mapping(facts.merge, "tensors").get("unchanged")))
    if swallowed:
        told += f" In {swallowed} weights rounding to 16 bits removed all of the adapter."
    return told


def is_hub_id(name: str) -> bool:
    """Whether ``name`` has the form owner/name of a hub repository."""
    from huggingface_hub import errors
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except errors.HFValidationError:
        return False
    return "/" in name


def _number(value: float) -> Markdown:
    return Markdown(f"{value:.4g}")


def _count(value: int | None) -> Markdown:
    return Markdown("unknown" if value is None else f"{value:,}")


def _plain(value: str) -> Markdown:
    """A word inside a fenced block: only characters of hub ids."""
    return Markdown(re.sub(r"[^\w./-]", "", value) or "BASE")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-") or "unknown"


def _shown(source: DataSource) -> dict[str, object]:
    """A data set as a row of the card's table."""
    hub = f"https://huggingface.co/datasets/{source.repo}" if is_hub_id(source.repo) else ""
    return {
        "name": source.name,
        "page": source.homepage or hub,
        "license": source.license,
        "version": source.version[:12],
        "rows_in": source.rows_in,
        "train": source.kept.get("train"),
    }


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # `finalize` escapes for Markdown and HTML; autoescape knows HTML alone and would escape twice.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, finalize=escape
    )
    environment.filters.update(code=code, link=link, number=_number, count=_count, plain=_plain)
    return environment
