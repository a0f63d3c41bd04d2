"""Reporting checklists (checklists/*.yaml): filled from what is known, the rest left open by number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from medft.config import build
from medft.report.blocks import Block, Section, Table, Text
from medft.runs.record import read_mapping
from medft.study.writing.checklist_facts import Fact

FOLDER = Path(__file__).parents[1] / "checklists"
OPEN = "open"


@dataclass(frozen=True, slots=True)
class Item:
    """One numbered part of a checklist."""

    number: str
    """Its number in the statement."""
    topic: str
    """What is to be reported, in short."""
    facts: tuple[str, ...] = ()
    """What medft has to know to answer it; empty: only the authors can."""
    open: str = ""
    """What of it is the authors' to say all the same."""


@dataclass(frozen=True, slots=True)
class Checklist:
    """A reporting guideline."""

    name: str
    """Its name."""
    title: str
    """Its name in full, with its size."""
    source: str
    """Where it was published."""
    items: tuple[Item, ...]
    """Its parts."""
    note: str = ""
    """What a reader must know of this copy."""


def checklists() -> Iterator[Checklist]:
    """The checklists that medft has."""
    for path in sorted(FOLDER.glob("*.yaml"), reverse=True):
        yield build(Checklist, read_mapping(path))


def sections(facts: Mapping[str, Fact]) -> Iterator[Section]:
    """A section for each checklist."""
    for each in checklists():
        rows = tuple((item.number, item.topic, *_answer(item, facts)) for item in each.items)
        left = [number for number, _, where, _ in rows if where == OPEN]
        blocks: list[Block] = [Text("\n".join(filter(None, (f"{each.title}: {each.source}", each.note))))]
        blocks += [Table(("part", "topic", "where", "what medft knows"), rows)]
        blocks += [Text(f"To be completed by the authors: {', '.join(left)}.")] if left else []
        yield Section(f"Checklist: {each.name}", blocks)


def _answer(item: Item, facts: Mapping[str, Fact]) -> tuple[str, str]:
    """Where a part is answered and how; open where something is not known."""
    if not item.facts or any(name not in facts for name in item.facts):
        return OPEN, ""
    found = [facts[name] for name in item.facts]
    said = "; ".join(dict.fromkeys(filter(None, (fact.words for fact in found))))
    if item.open:
        said += f" (still open: {item.open})"
    return ", ".join(dict.fromkeys(fact.section for fact in found)), said
