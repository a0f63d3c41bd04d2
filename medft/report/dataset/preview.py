"""One row as the model will see it, on a terminal: what carries loss in color, or between brackets."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable

from medft.prompt.preview import Check, Piece, PieceKind, Preview

OPEN, CLOSE = "⟦", "⟧"
"""Around what carries loss, where there are no colors."""
CODES: dict[PieceKind, str] = {
    "prompt": "",
    "special": "\x1b[2m",
    "learnt": "\x1b[32m",
    "stop": "\x1b[1;7;32m",
}
"""ANSI: special tokens faint, the answer green, its stop token green and reversed."""
RESET = "\x1b[0m"
INDENT = "    "


def painted(preview: Preview, colors: bool) -> str:
    """The row with its checks, as lines.

    Args:
        preview: the row.
        colors: whether ANSI codes may be written.
    """
    marked = "in green" if colors else f"between {OPEN} and {CLOSE}"
    head = f"  row     {preview.id}"
    if preview.pieces:
        head += f": {preview.tokens:,} tokens, {preview.loss_tokens:,} of them carry loss ({marked})"
    text = _colored(preview) if colors else _bracketed(preview)
    body = [INDENT + line for line in text.split("\n")] if preview.pieces else []
    notes = [f"{INDENT}{preview.note}"] if preview.note else []
    return "\n".join([head, *notes, "", *body, "", *map(_check, preview.checks), ""])


def _colored(preview: Preview) -> str:
    runs = itertools.groupby(preview.pieces, lambda piece: CODES[piece.kind])
    return "".join(f"{code}{_text(pieces)}{RESET if code else ''}" for code, pieces in runs)


def _bracketed(preview: Preview) -> str:
    runs = itertools.groupby(preview.pieces, lambda piece: piece.kind in ("learnt", "stop"))
    return "".join(f"{OPEN}{_text(pieces)}{CLOSE}" if loss else _text(pieces) for loss, pieces in runs)


def _text(pieces: Iterable[Piece]) -> str:
    """The pieces as text that no terminal takes for a command."""
    text = "".join(piece.text for piece in pieces)
    return "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "\ufffd" for c in text)


def _check(check: Check) -> str:
    return f"{INDENT}{'ok  ' if check.passed else 'FAIL'}  {check.name}: {check.found}"
