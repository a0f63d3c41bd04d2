"""Faults of one text that can be mended, each with its name (a setting of ``dataset.cleaning``) and its
mend."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from string import whitespace
from typing import Literal

from medft.data.cleaning.markup import without_entities, without_tags

Part = Literal["question", "context", "answer", "system"]
"""Whose text it is; in a conversation the user's turns are questions, the assistant's answers."""
EVERYWHERE: frozenset[Part] = frozenset({"question", "context", "answer", "system"})


@dataclass(frozen=True, slots=True)
class TextFault:
    """A fault that can be mended."""

    name: str
    """As the setting and the ledger call it."""
    mend: Callable[[str], str]
    """The text without it; the same text where it has none."""
    parts: frozenset[Part] = EVERYWHERE
    """Where it is looked for."""
    markup: bool = False
    """Whether it is none in a record that is about markup."""


_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f]")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u180e\u200b\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_JOINER = re.compile("(?<![^\x00-\u02ff\u2000-\u206f])[\u200c\u200d]|[\u200c\u200d](?=[\x00-\u02ff]|$)")
_OVERRIDE = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MARK = re.compile("[\u200e\u200f\u061c]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_ODD_BLANK = re.compile(r"[^\S\n\t ]")
_RUN = re.compile(r" {2,}")
_EMPTY_LINES = re.compile(r"\n{4,}")
_OFFER = re.compile(
    r"[^\S\n]*(?:(?<=[.!?\n])|^|(?<=[.!?] ))(?=[^.!?\n]*\b(?:consult|ask|click|visit|chat)\b)"
    r"[^.!?\n]{0,200}\b(?:online|chat|here)\s*-{2,3}>"
    r"[^\S\n]*(?:<?(?:https?://|www\.)\S+)?[^\S\n]*",
    re.IGNORECASE | re.MULTILINE,
)


def _crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _mojibake(text: str) -> str:
    """By ftfy, which undoes an encoding only where the outcome is likelier text (Speer 2019,
    doi:10.5281/zenodo.2591652)."""
    if text.isascii():
        return text
    return _fixer()(text)


@cache
def _fixer() -> Callable[[str], str]:
    from ftfy import TextFixerConfig, fix_encoding

    return partial(fix_encoding, config=TextFixerConfig(replace_lossy_sequences=False))


def _control(text: str) -> str:
    return text if text.isprintable() else _CONTROL.sub("", text)


def _invisible(text: str) -> str:
    return text if text.isascii() else _JOINER.sub("", _INVISIBLE.sub("", text))


def _direction(text: str) -> str:
    if text.isascii():
        return text
    plain = _OVERRIDE.sub("", text)
    return plain if _RIGHT_TO_LEFT.search(text) else _MARK.sub("", plain)


def _nfc(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _whitespace(text: str) -> str:
    result = text if text.isascii() else _ODD_BLANK.sub(" ", text)
    if "\n" not in result:
        return _RUN.sub(" ", result.strip()) if "  " in result else result.strip()
    result = "\n".join(line.rstrip() for line in result.split("\n")).strip("\n")
    return _EMPTY_LINES.sub("\n\n\n", result) if "\n\n\n\n" in result else result


def _question_mark(text: str) -> str:
    return text.rstrip("?" + whitespace) + "?" if text.endswith("?") else text


def _offer(text: str) -> str:
    return _OFFER.sub(_blank, text).rstrip() if "-->" in text else text


def _blank(offer: re.Match[str]) -> str:
    """What stands between the sentences before and after it."""
    return " " if offer[0].startswith(" ") else ""


TEXT_FAULTS = (
    TextFault("crlf", _crlf),
    TextFault("mojibake", _mojibake),
    TextFault("control_characters", _control),
    TextFault("invisible_characters", _invisible),
    TextFault("direction_characters", _direction),
    TextFault("html_tags", without_tags, markup=True),
    TextFault("html_entities", without_entities, markup=True),
    TextFault("unicode_nfc", _nfc),
    TextFault("contact_offer", _offer, frozenset({"answer"})),
    TextFault("whitespace", _whitespace),
    TextFault("question_mark", _question_mark, frozenset({"question"})),
)
"""In the order in which they are mended."""
