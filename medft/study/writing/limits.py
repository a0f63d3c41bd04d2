"""Limitations that follow from the facts of a study; what only its authors know is not among them."""

from __future__ import annotations

from collections.abc import Iterator

from medft.publish.card_sections import sources
from medft.publish.license import restrictions
from medft.report.blocks import Section, Text
from medft.report.verdicts import FEWEST
from medft.study.writing.outcome import Outcome
from medft.study.writing.ratings import rated
from medft.study.writing.rows import by_dataset

ALWAYS = (
    "The held-out rows come from the same sources as the training rows; performance on other data is "
    "unknown unless a suite tests it.",
    "What the base models saw in their own training, including test items, is unknown.",
)


def section(outcome: Outcome) -> Section:
    """The limitations, a line each."""
    return Section("Limitations", [Text("\n".join(f"· {each}" for each in limitations(outcome)))])


def limitations(outcome: Outcome) -> list[str]:
    """What weakens the study, from its runs and settings."""
    return [*_missing(outcome), *_figures(outcome), *_models(outcome), *_rights(outcome), *ALWAYS]


def _missing(outcome: Outcome) -> Iterator[str]:
    holes = [f"{label} ({what}: {why})" for label, what, why in outcome.study.holes()]
    if holes:
        yield f"Incomplete cells: {'; '.join(holes)}."


def _figures(outcome: Outcome) -> Iterator[str]:
    for found in outcome.findings:
        if found.units < FEWEST:
            yield f"{found.key[3]}: {found.units} independent items are too few for any verdict."
        elif found.verdict == "no significant change" and found.needed:
            yield (
                f"{found.key[3]}: no difference shown on {found.units:,} items; one of this size would take "
                f"some {found.needed:,} (power 0.8). That is no proof that there is none."
            )
        if found.skewed:
            yield f"{found.key[3]}: values are very skewed, and the interval may cover less than 95%."
    seeds = {arm.name: len(arm.records) for arm in outcome.study.finished}
    if single := [label for label, count in seeds.items() if count == 1]:
        yield f"Only one seed, so the variation between repeats is unknown: {', '.join(single)}."
    elif seeds and min(seeds.values()) < 3:
        yield "Only two seeds: their spread is a very rough estimate."
    if len(outcome.ranked()) > 1:
        yield (
            "The best of several cells was chosen on the items on which its gain is reported, which "
            "makes the gain too optimistic; new items would show by how much."
        )
    if not outcome.decides:
        yield "The primary outcome counts words shared with a reference, and cannot decide anything."


def _models(outcome: Outcome) -> Iterator[str]:
    study = outcome.study
    if any(arm.tiny for arm in study.arms):
        yield (
            "Tiny twins were trained: the numbers show that the pipeline works, and say nothing about"
            " any real model."
        )
    if not rated(study):
        yield "No person has rated the answers, and no clinician: all metrics are automatic."
    if not study.config.safety:
        yield "No safety suite was used."
    elif study.finished:
        yield "Safety is scored by word rules, which no clinician has reviewed."
    if not study.config.regression:
        yield "No regression suite was used: losses in other abilities are unknown."


def _rights(outcome: Outcome) -> Iterator[str]:
    for name, record in by_dataset(outcome.study).items():
        for source in sources(record):
            for rule in restrictions(source.license, source.license_note):
                if rule.key != "attribution":
                    yield f"Rights: {name}, {source.name} ({source.license}) {rule.consequence}"
            if source.identifiers:
                found = ", ".join(f"{kind} {count:,}" for kind, count in source.identifiers.items())
                yield f"{name}, {source.name}: patterned identifiers are in its rows ({found})."
