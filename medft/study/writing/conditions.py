"""Suites that compare more than base and tuned model: conditions that one of them is asked under, and others
beside them, such as an encoder trained on the same labels."""

from __future__ import annotations

from collections.abc import Iterator

from medft.aliases import Json
from medft.evaluation.between import BASE, TUNED
from medft.evaluation.report import metrics_tables
from medft.report.blocks import Block, Section, Text
from medft.report.verdicts import findings
from medft.runs.values import mapping, mappings, text
from medft.study.writing.arms import Arm

HOW = (
    "One run of the cell, each system or condition with its 95% interval, and paired differences on the same "
    "items, corrected by Holm's method for each pair over these suites."
)


def section(arm: Arm) -> Section | None:
    """The tables of one cell's first run; None where no suite compares more than two systems."""
    record = arm.records[0]
    suites = [found for suite in record.suites.values() if (found := _wider(suite))]
    if not suites:
        return None
    known = findings(suites)
    blocks: list[Block] = [Text(f"{arm.name}, seed {record.settings.get('seed')}. {HOW}")]
    for suite in suites:
        blocks += [Text(f"{text(suite.get('suite'))}:"), *metrics_tables(suite, known), *_retrieval(suite)]
    return Section("Conditions and other systems", blocks)


def _wider(suite: Json) -> Json | None:
    """The suite with those metrics alone whose systems are not just base and tuned model."""
    kept = [each for each in mappings(suite, "figures") if not set(mapping(each, "systems")) <= {BASE, TUNED}]
    return {**suite, "figures": kept} if kept else None


def _retrieval(suite: Json) -> Iterator[Text]:
    """How often the passages that were found hold the gold one."""
    found = mapping(mapping(suite, "extras"), "retrieval")
    if found:
        yield Text("Retrieval: " + ", ".join(f"{name} {value:.3g}" for name, value in found.items()) + ".")
