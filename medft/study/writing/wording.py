"""Words that many parts of the page need: commands for a shell, paths made short."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

FOLDERS = re.compile(r"(?<![\w/])[~.]{0,2}/(?:[^/\s,;:\]'\"]+/)*(?=[^/\s])")
"""The folders of a path in a text; not those of an address or a hub id."""


def without_folders(words: str) -> str:
    """``words`` with the paths in them shortened to their last name, since the rest tells of a machine."""
    return FOLDERS.sub("", words)


def command(words: Sequence[str]) -> str:
    """The command line that a study began with, as a shell wants it typed."""
    plain = [word for word in words if not word.startswith("plan_only=")]
    return " ".join(["medft study", *map(_typed, plain)])


def _typed(word: str) -> str:
    """A word that may hold quotes of its own, in the other ones."""
    if re.fullmatch(r"[\w.,=/:@+-]*", word):
        return word
    return f'"{word}"' if not re.search(r'["$`\\!]', word) else shlex.quote(word)
