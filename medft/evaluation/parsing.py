"""Generated text -> one of the labels or options, or nothing; and whether it refuses to answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from medft.evaluation.metrics import UNPARSABLE

LETTERS = tuple("ABCDEFGHIJ")
"""What the options of a multiple-choice question are called."""

_EDGE = r"[\s\"'`*_(\[{$]*"
"""Quotes, emphasis and brackets around a label."""
_OPTION = r"(?:\s*(?:option|choice)(?!\w))?"
_IS = r"(?: (?:is|would be|should be))"
_RIGHT = r"(?:final |correct |best |right |most likely )*"
_ANSWER = (
    rf"(?:answer|letter|label|decision|conclusion|relation(?:ship)?|class|choice|option)"
    rf"(?: of the {_RIGHT}(?:answer|choice|option))?"
)
_LEAD = (
    rf"(?:(?:the |my )?{_RIGHT}{_ANSWER}{_IS}?\s*:?{_OPTION}"
    r"|(?:it|this|that) is|it[’']s|in conclusion,?|i would (?:say|choose))(?!\w)"
)
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)
"""What a model that reasons writes before its answer."""
_BOX = r"(?:\\boxed\{(?:\\text\{)?)?"
_LISTED = r"(?:\(?[A-Za-z0-9][).:]\s+|\([A-Za-z0-9]\)\s*)?"
"""The letter or number that stands before a listed answer: "(A) yes"."""
_CLOSED = (
    r"(?=[\"'`*_)\]}$]*(?:$|[.,;:!?\n]|\s+[-–—(]|[–—]|\)| is (?:the )?(?:correct|right|best)\b| because\b))"
)
"""What follows a label: the end, punctuation, a dash, a bracket or a reason."""
_LISTING = re.compile(r"(?:^|\n)[\s*]*\(?([A-Ja-j])[).:]\**\s+(?=\S)")
"""The beginning of a line that lists an option."""
_BETWEEN = r"[\s\"'`*()\[\].]*(?:or|and|/|,|;|\|)?[\s\"'`*()\[\]]*"
"""What stands between two labels of which none is chosen."""


def parse_label(text: str, labels: Sequence[str]) -> str:
    """The label that ``text`` names as its answer, or ``UNPARSABLE``.

    It is the first thing said, as whole words, after at most "Answer:", "The correct answer is", "It is" or
    a list's "(A)", and is followed by the end, by punctuation or by a dash; quotes, emphasis, brackets,
    LaTeX's box and case do not matter. A later "the answer is ..." is read, too; where they disagree, no
    label is named. So "No." is no, while "know", "no evidence was found" (a determiner), "yes or no",
    "yes; no" and "it is not clear" name no label.
    """
    found = _named(text, labels)
    return found.pop() if len(found) == 1 else UNPARSABLE


def parse_choice(text: str, options: Sequence[str]) -> str:
    """The letter (A, B, ...) of the option that ``text`` names, by its letter or by its words, or
    ``UNPARSABLE``. Who repeats the list of options, a line each, has named none of them, and
    neither has who names one by its letter and another by its words."""
    letters = LETTERS[: len(options)]
    if "".join(_LISTING.findall(text))[:2].upper() == "AB":  # the list again; what is said after it counts
        text = _LISTING.sub("\n- ", "\n" + text)
    words = [option.casefold() for option in options]
    said = {option.casefold() for option in _named(text, options)}
    named = _named(text, letters) or {letters[words.index(each)] for each in said}
    if len(named) != 1:
        return UNPARSABLE
    (letter,) = named
    return letter if said <= {words[letters.index(letter)]} else UNPARSABLE


def _named(text: str, labels: Sequence[str]) -> set[str]:
    """The labels that ``text`` gives as its answer."""
    first, later = _patterns(tuple(labels))
    text = _THOUGHTS.sub("", text)
    match = first.match(text)
    found = {said.group("label").casefold() for said in (match, *later.finditer(text)) if said}
    return {next(label for label in labels if label.casefold() == each) for each in found}


@lru_cache(1024)
def _patterns(labels: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What reads a label from the beginning of a text, and from a later sentence on the answer."""
    words = "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True))
    listed = _LISTED if max(map(len, labels)) > 1 else ""  # among letters, "A) B" names two
    again = rf"(?:{_BETWEEN}(?P=label)(?!\w))*"
    another = rf"(?!{_BETWEEN}(?:{words})(?!\w))"
    label = rf"{_EDGE}{_BOX}{listed}{_EDGE}(?P<label>{words})(?!\w){again}{another}{_CLOSED}"
    later = rf"\b(?:answer|letter|choice|option){_IS}\s*:?{_OPTION}{label}"
    return re.compile(rf"{_EDGE}(?:{_LEAD})?{label}", re.IGNORECASE), re.compile(later, re.IGNORECASE)


_DECLINES = re.compile(
    r"^\W*(?:(?:i am|i'm|i’m) (?:very |so )?sorry\b|sorry\b|(?:i )?apologi[sz]e\b|unfortunately,? i\b)"
    r"|\b(?:i|we) (?:cannot|can't|can’t|can not|am not able to|am unable to|won't|won’t|will not|do not|don't"
    r"|don’t) (?:help|answer|assist|provide|respond|advise|discuss|give|cover|explain)\b"
    r"|\bi (?:have to|must|will have to) (?:decline|refuse|pass)\b",
    re.IGNORECASE,
)
_SELF = re.compile(r"\b(?:i|my|me|mine|here|this assistant)\b", re.IGNORECASE)
_LIMIT = re.compile(
    r"\b(?:only|alone|limited|restricted|confined|outside|beyond|reserved|specialise|specialize|stick|keep to"
    r"|rather not|meant|made|built|designed|set up|purpose|not (?:a |my |mine|what|part|something|for me|here"
    r"|among|within|the right|available|possible|covered))\b|\bn[o']t (?:able|cover|provide)\b",
    re.IGNORECASE,
)
_SUBJECT = re.compile(r"\b(?:medic(?!ation)|health)", re.IGNORECASE)
_OPENING = 300


def is_refusal(text: str) -> bool:
    """Whether the first 300 characters of an answer decline to answer.

    They do when they hold a fixed phrase of refusal (string matching as in Zou et al. 2023, arXiv 2307.15043,
    appendix B), or when the speaker names their own limits and medicine or health as the subject kept to. An
    empty text is neither a refusal nor an answer.
    """
    opening = text[:_OPENING]
    if _DECLINES.search(opening):
        return True
    return all(pattern.search(opening) for pattern in (_SELF, _LIMIT, _SUBJECT))
