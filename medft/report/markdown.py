"""Markdown in which every value is text: the one escape, links and code spans, tables, and whole reports."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from medft.report.blocks import Block, Chart, Figure, Marked, Notice, Picture, Section, Table

_SPECIAL = re.compile(r"([\\`*_\[\]|~$]|^[-+=#](?=[-+=#]*(?:\s|$)))")
"""What Markdown gives a meaning, in a line or at its beginning."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


class Markdown(str):
    """Text that is Markdown already: printed as it is."""

    __slots__ = ()


def escape(value: object) -> Markdown:
    """Any value as one line of text that Markdown and HTML show literally."""
    if isinstance(value, Markdown):
        return value
    line = _CONTROL.sub(" ", "yes" if value is True else "no" if value is False else str(value))
    return Markdown(html.escape(_SPECIAL.sub(r"\\\1", line), quote=False))


def code(value: str) -> Markdown:
    """A code span; its fence is longer than any run of backticks inside (CommonMark 6.1)."""
    line = _CONTROL.sub(" ", value)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    padding = " " if "`" in line else ""
    return Markdown(f"{fence}{padding}{line}{padding}{fence}".replace("|", "\\|"))


def link(words: str, url: str) -> Markdown:
    """A link, when ``url`` is an http(s) address; the words alone otherwise."""
    if not re.match(r"https?://[^\s/]", url):
        return escape(words)
    return Markdown(f"[{escape(words)}](<{quote(url, safe=':/?#@!$&*+,;=%~')}>)")


def document(title: str, sections: Sequence[Section]) -> str:
    """A report as Markdown: the same blocks as its HTML page."""
    parts = [f"# {escape(title)}"]
    for section in sections:
        parts += [f"## {escape(section.heading)}"] if section.heading else []
        parts += map(_block, section.blocks)
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Table):
        return "\n".join(_table(block))
    if isinstance(block, Chart):
        return _block(block.picture)
    if isinstance(block, Picture):
        return _image(block.alt, block.file)
    if isinstance(block, Notice):
        return f"> **{escape(block.text)}**"
    if isinstance(block, Figure):
        if block.file:
            return f"{_image(block.words, block.file)}\n\n*{escape(block.words)}*"
        return f"*{escape(block.words)} (drawn on the HTML page)*"
    if isinstance(block, Marked):
        return textwrap.indent("".join(part for part, _ in block.parts), "    ")
    return "  \n".join(escape(line) for line in block.text.split("\n"))


def _image(alt: str, file: str) -> str:
    return f"![{escape(alt)}](<{quote(file)}>)"


def _table(table: Table) -> Iterator[str]:
    yield _row(table.columns)
    yield "|" + "|".join(" ---: " if right else " --- " for right in table.right) + "|"
    yield from map(_row, table.rows)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"
