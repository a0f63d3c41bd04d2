"""A record with its texts mended, and what was found in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

from medft.data.cleaning.markup import is_about_markup
from medft.data.cleaning.text_faults import TEXT_FAULTS, Part, TextFault
from medft.data.cleaning_config import CleaningConfig
from medft.data.record import Message, Record

EMPTY_SYSTEM_TURN = "empty_system_turn"
_PARTS: dict[str, Part] = {"user": "question", "assistant": "answer", "system": "system"}


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of a record."""

    record: Record
    """With its texts mended, where the settings mend them."""
    mended: tuple[str, ...]
    """Faults that were found and mended, by name."""
    found: tuple[str, ...]
    """Faults that were found and left as they are, by name."""
    excerpts: Mapping[str, tuple[str, str]]
    """For each fault, a text as it was and as it would be mended."""
    drop: str = ""
    """The first fault for which the settings drop the row; empty when it stays."""


def repair(record: Record, config: CleaningConfig, costs: dict[str, float] | None = None) -> Repaired:
    """Mend the texts of a record.

    Args:
        record: as the source has it.
        config: what is mended, what is left, and for what a row is dropped.
        costs: the seconds that each check took are added here.
    """
    found, excerpts = dict[str, str](), dict[str, tuple[str, str]]()
    texts = [text for _, text in _texts(record)]
    about_markup = any("<" in text or "&" in text for text in texts) and any(map(is_about_markup, texts))
    for fault in TEXT_FAULTS:
        if fault.markup and about_markup:
            continue
        began = perf_counter()
        mended = _apply(record, fault, excerpts)
        if costs is not None:
            costs[fault.name] = costs.get(fault.name, 0.0) + perf_counter() - began
        if mended is not record:
            found[fault.name] = treatment = getattr(config, fault.name)
            record = mended if treatment == "mend" else record
    if record.turns and record.turns[0].role == "system" and not record.turns[0].content.strip():
        found[EMPTY_SYSTEM_TURN] = config.empty_system_turn
        excerpts[EMPTY_SYSTEM_TURN] = "", ""
        if config.empty_system_turn == "mend":
            record = replace(record, turns=record.turns[1:])
    return Repaired(
        record,
        tuple(name for name, treatment in found.items() if treatment == "mend"),
        tuple(name for name, treatment in found.items() if treatment == "keep"),
        excerpts,
        next((name for name, treatment in found.items() if treatment == "drop"), ""),
    )


def _texts(record: Record) -> Iterator[tuple[Part, str]]:
    yield "question", record.question
    yield "context", record.context
    yield "context", record.options
    yield "answer", record.answer
    for turn in record.turns:
        yield _PARTS[turn.role], turn.content


def _apply(record: Record, fault: TextFault, excerpts: dict[str, tuple[str, str]]) -> Record:
    """The record without the fault; itself where it has none."""
    mended = partial(_mended, fault, excerpts)
    question, context = mended("question", record.question), mended("context", record.context)
    options, answer = mended("context", record.options), mended("answer", record.answer)
    turns = tuple(_turn(turn, mended) for turn in record.turns)
    if fault.name not in excerpts:
        return record
    return replace(record, question=question, context=context, options=options, answer=answer, turns=turns)


def _mended(fault: TextFault, excerpts: dict[str, tuple[str, str]], part: Part, text: str) -> str:
    if not text or part not in fault.parts:
        return text
    result = fault.mend(text)
    if result != text:
        excerpts.setdefault(fault.name, (text, result))
    return result


def _turn(turn: Message, mended: Callable[[Part, str], str]) -> Message:
    content = mended(_PARTS[turn.role], turn.content)
    return turn if content == turn.content else replace(turn, content=content)
