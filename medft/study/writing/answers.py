"""Sample of answers: a sample that was drawn by seed, and not chosen."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal

from medft.data.cleaning.identifiers import redact
from medft.evaluation.answers_page import generated
from medft.evaluation.report import NOT_ADVICE
from medft.publish.card_sections import sources
from medft.publish.license import forbids_sharing, grants_nothing
from medft.report.blocks import Block, Marked, Notice, Section, Text
from medft.runs.record import RunRecord
from medft.study.writing.arms import Arm, Study

LONGEST = 1_200
"""Characters of a text that are shown."""


def section(study: Study, arm: Arm | None) -> Section:
    """Questions with the reference, the base's answer and the model's, of one seed of one cell."""
    heading = "Sample of answers"
    if arm is None:
        return Section(heading, [Text("No cell finished.")])
    record = arm.records[0]
    if closed := [source.name for source in sources(record) if _closed(source.license, source.license_note)]:
        names = ", ".join(closed)
        return Section(
            heading, [Notice(f"Not shown: the license of {names} does not allow its texts to be shared.")]
        )
    suite = next((name for name in _suites(study) if _asked(record, name)), None)
    if suite is None:
        return Section(heading, [Text("No suite of this study stores generated answers.")])
    found = _asked(record, suite)
    if hidden := any(source.identifiers for source in sources(record)):
        found = {item: _redacted(*each) for item, each in found.items()}
    complete = [item for item in sorted(found) if {"base", "tuned"} <= set(found[item][1])]
    drawn = random.Random(study.config.split_seed).sample(complete, min(study.config.sample, len(complete)))  # noqa: S311
    said = (
        f"{len(drawn)} of {len(complete)} questions of {suite}, drawn by seed {study.config.split_seed}: "
        f"{arm.name}, seed {record.settings.get('seed')}."
    )
    if hidden:
        said += " The data contains identifiers that follow a pattern; they are replaced by their kind."
    blocks: list[Block] = [Notice(NOT_ADVICE), Text(said)]
    return Section(heading, [*blocks, *(_shown(*found[item]) for item in drawn)])


def _closed(license: str, note: str) -> bool:
    return forbids_sharing(license, note) or grants_nothing(license, note)


def _suites(study: Study) -> Iterator[str]:
    """The suite of the primary outcome, then the others; not those that ask what must not be spread."""
    yield study.config.primary.suite
    held_back = (*study.config.safety, study.config.primary.suite)
    yield from (suite for suite in study.config.suites if suite not in held_back)


def _asked(record: RunRecord, suite: str) -> dict[str, tuple[tuple[str, str], dict[str, str]]]:
    """By item: question and reference, and the answer of each system."""
    found: dict[str, tuple[tuple[str, str], dict[str, str]]] = {}
    for row in generated(record.run.evaluation / f"{suite}.answers.jsonl"):
        about = (str(row["question"]), str(row.get("gold", "")))
        found.setdefault(str(row["item"]), (about, {}))[1][str(row["system"])] = str(row["text"])
    return found


def _redacted(about: tuple[str, str], answers: dict[str, str]) -> tuple[tuple[str, str], dict[str, str]]:
    """The same texts with their patterned identifiers replaced."""
    question, reference = (redact(words)[0] for words in about)
    return (question, reference), {system: redact(words)[0] for system, words in answers.items()}


def _shown(about: tuple[str, str], answers: dict[str, str]) -> Marked:
    question, reference = about
    texts = (
        ("Question", question),
        ("Reference", reference),
        ("Base", answers["base"]),
        ("Tuned", answers["tuned"]),
    )
    parts: list[tuple[str, Literal["", "faint"]]] = []
    for name, words in texts:
        cut = words if len(words) <= LONGEST else f"{words[:LONGEST]} … ({len(words):,} characters)"
        gap = "\n\n" if name != "Tuned" else ""
        parts += [(f"{name}\n", "faint"), (f"{cut.strip() or '(nothing)'}{gap}", "")]
    return Marked(tuple(parts))
