"""Identifiers that have a pattern: dates, telephone numbers, record numbers and the like.

Each is replaced by the name of its kind. What is found never leaves this module: only kinds and counts do.

The kinds are those of the HIPAA Safe Harbor list (45 CFR 164.514(b)(2)) that can be told by their form, and
Korea's resident number, telephone numbers and dates. Names and most addresses cannot: an absence of findings
is no proof of de-identification.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

from medft.data.record import Record


@dataclass(frozen=True, slots=True)
class _Pattern:
    kind: str
    regex: re.Pattern[str]
    needs: tuple[str, ...] = ()
    """One of these stands in the lower-case text wherever the identifier does; others are not searched."""
    needs_run: bool = False
    """The identifier lies within a run of digits and separators."""


_RUN = re.compile(r"\d[\d ().+/-]{4,}\d")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_NUMBER = r"[\s:#=.]{0,3}(?=[\w-]*\d)[\w-]{4,}"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"


def _in_words(kind: str, words: str, needs: str) -> _Pattern:
    return _Pattern(kind, re.compile(words, re.IGNORECASE), tuple(needs.split("|")))


def _in_digits(kind: str, digits: str, needs: str = "") -> _Pattern:
    return _Pattern(kind, re.compile(digits), (needs,) if needs else (), needs_run=True)


PATTERNS = (
    _Pattern("email", re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w"), ("@",)),
    _in_words("url", r"\b(?:https?://|www\.)[^\s<>\"')\]]+(?<![.,;:!?])", "://|www."),
    _in_digits("ip_address", rf"(?<![\d.]){_OCTET}(?:\.{_OCTET}){{3}}(?![\d.]*\d)", "."),
    _in_digits("ssn", r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\d-])", "-"),
    _in_digits(  # of the Republic of Korea: date of birth, then seven digits
        "resident_number",
        r"(?<![\d-])\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-[1-8]\d{6}(?![\d-])",
        "-",
    ),
    _in_digits(
        "phone",
        r"(?<![\w.-])(?:\+\d{1,3}[ .-]?|1[ .-])?(?:\(\d{3}\)[ .-]?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"
        r"|(?<![\w.-])01\d-\d{3,4}-\d{4}(?![\w-])|(?<![\w.+])\+\d{1,3}(?:[ .-]?\d{2,4}){2,5}(?!\w)",
    ),
    _in_words(
        "record_number",
        rf"\b(?:mrn|(?:medical record|patient|chart|hospital) (?:number|no\b|id\b|#)){_NUMBER}",
        "mrn|record n|record i|record #|patient n|patient i|patient #|chart |hospital ",
    ),
    _in_words(
        "account_number",
        r"\b(?:account|policy|member|beneficiary|insurance|health plan|licen[cs]e|certificate|serial)"
        rf" (?:number|no\b|id\b|#){_NUMBER}",
        " number| no| id| #",
    ),
    _in_words("vehicle_number", rf"\b(?:vin|licen[cs]e plate){_NUMBER}", "vin |vin:|vin#| plate"),
    _in_digits(
        "date",
        r"(?<![\d/.-])(?:(?:19|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
        r"|(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)?\d\d)(?![\d/-]|\.\d)",
    ),
    _in_words(
        "date",
        rf"\b\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{_MONTH},? (?:19|20)\d\d\b"
        rf"|\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)\d\d\b",
        "19|20",
    ),
    _Pattern("date", re.compile(r"(?<!\d)(?:19|20)\d\d년 ?\d{1,2}월 ?\d{1,2}일"), ("년",)),
    _Pattern("zip_code", re.compile(r"\b[A-Z]{2} \d{5}(?:-\d{4})?(?![\w-])")),
    _in_words("age_over_89", r"\b(?:9\d|1[01]\d)[ -]years?[ -](?:old|of age)\b", "year"),
)
"""In the order in which they are replaced: an e-mail address is no URL, a number no telephone."""

_HINT = re.compile(r"\d|@|www\.", re.IGNORECASE)


def redact(text: str) -> tuple[str, Counter[str]]:
    """``text`` with each identifier replaced by its kind in brackets, and how many there were of each."""
    found: Counter[str] = Counter()
    if not _HINT.search(text):
        return text, found
    lower, run = text.lower(), _RUN.search(text)
    for pattern in PATTERNS:
        if pattern.needs_run and not run:
            continue
        if pattern.needs and not any(word in lower for word in pattern.needs):
            continue
        text, count = pattern.regex.subn(f"[{pattern.kind.upper()}]", text)
        if count:
            found[pattern.kind] += count
    return text, found


def redact_record(record: Record) -> tuple[Record, Counter[str]]:
    """``record`` with its patterned identifiers replaced by their kinds, and how many there were of each."""
    found: Counter[str] = Counter()

    def replaced(text: str) -> str:
        text, counts = redact(text)
        found.update(counts)
        return text

    return (
        replace(
            record,
            question=replaced(record.question),
            context=replaced(record.context),
            options=replaced(record.options),
            answer=replaced(record.answer),
            turns=tuple(replace(turn, content=replaced(turn.content)) for turn in record.turns),
        ),
        found,
    )
