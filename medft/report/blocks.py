"""Building blocks of reports: sections of text, notices, tables and pictures, for any output format
(``html.page``, ``markdown.document``).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from medft.aliases import Json
from medft.format import numeric


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    kind: ClassVar = "text"
    text: str
    """Plain text; line breaks are kept."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the reader must not miss."""

    kind: ClassVar = "notice"
    text: str
    """Plain text."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; columns of numbers are set right."""

    kind: ClassVar = "table"
    columns: tuple[str, ...]
    """Head of each column."""
    rows: tuple[tuple[str, ...], ...]
    """Cells, as long as ``columns`` each."""

    @property
    def right(self) -> list[bool]:
        """Per column, whether it holds numbers."""
        return numeric(self.rows, len(self.columns))

    def only(self, columns: Collection[str]) -> Table:
        """The table with those of ``columns`` that it has."""
        keep = [i for i, name in enumerate(self.columns) if name in columns]
        rows = tuple(tuple(row[i] for i in keep) for row in self.rows)
        return Table(tuple(self.columns[i] for i in keep), rows)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image: HTML carries it inside the page, Markdown points to the file beside it."""

    kind: ClassVar = "picture"
    data: bytes
    """The bytes of the file."""
    media: Literal["image/png", "image/svg+xml"]
    """What they are. SVG is shown as an image, in which a browser runs no script."""
    alt: str
    """What it shows, for those who do not see it."""
    file: str
    """Name of the same image in the folder of the report."""

    @property
    def source(self) -> str:
        """The data URI."""
        return f"data:{self.media};base64,{base64.b64encode(self.data).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Marked:
    """Text with some of its parts marked, every blank and line break kept."""

    kind: ClassVar = "marked"
    parts: tuple[tuple[str, Literal["", "mark", "strong", "faint"]], ...]
    """Plain text and how it is set; a strong part is marked, too."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing inside the page; Markdown points to the file beside it, or has its words alone."""

    kind: ClassVar = "figure"
    svg: str
    """As ``svg`` draws it, with every text escaped."""
    words: str
    """What it shows."""
    file: str = ""
    """Name of the same drawing (``svg.standalone``) in the folder of the report; empty: there is none."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves that answer to the pointer, drawn by uPlot inside the page; elsewhere a picture of the same."""

    kind: ClassVar = "chart"
    panels: tuple[Json, ...]
    """What templates/chart.js reads: names of the axes, a note, and series with x and y."""
    picture: Picture
    """For Markdown, print, and browsers without scripts."""

    @property
    def data(self) -> list[str]:
        """The panels as JSON that can end no element of a page."""
        return [json.dumps(panel, separators=(",", ":")).replace("<", "\\u003c") for panel in self.panels]


Block = Text | Notice | Table | Picture | Marked | Figure | Chart


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it."""

    heading: str
    """Plain text; empty for an opening section without one."""
    blocks: Sequence[Block]
    """In reading order."""
