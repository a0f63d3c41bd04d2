"""Generated text -> one of the labels, or nothing; and whether it refuses to answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from medft.evaluation.metrics import UNPARSABLE

_LEAD = r"(?:(?:the |my )?(?:final )?(?:answer|label|decision|relation(?:ship)?|class)(?: is|:)?[\s:*\"'`]*)?"
_CLOSED = r"(?=$|\s*[.,;:!?)\]\"'`*\n]|\s+$)"


def parse_label(text: str, labels: Sequence[str]) -> str:
    """The label that ``text`` begins with, or ``UNPARSABLE``.

    Strict: the label must be the first thing said, as whole words, after at most "Answer:" or the like, and
    be followed by the end or by punctuation. So "No." is no, while "know", "no evidence was found" (a
    determiner), "yes or no" and "it is not clear" name no label. Case, quotes and Markdown emphasis around it
    do not matter.
    """
    match = _pattern(tuple(labels)).match(text)
    if not match:
        return UNPARSABLE
    found = match.group("label").casefold()
    return next(label for label in labels if label.casefold() == found)


@cache
def _pattern(labels: tuple[str, ...]) -> re.Pattern[str]:
    words = "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True))
    other = rf"(?!\s*[/,|]?\s*(?:or\s+)?(?:{words})\b)"
    return re.compile(
        rf"\s*[\"'`*(\[]*{_LEAD}[\"'`*(\[]*(?P<label>{words})(?!\w){other}{_CLOSED}", re.IGNORECASE
    )


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
_SUBJECT = re.compile(r"\b(?:medic|health)", re.IGNORECASE)
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
