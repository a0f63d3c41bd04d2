"""One HTML page that needs nothing but itself: text, notices, tables and pictures, light or dark.

Owns the look of every report page and the promise that whatever stands in a name or a cell is text: it is
escaped, and a content security policy in the page forbids scripts and the network. Knows nothing of what is
reported.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

_NUMBER = re.compile(r"^[-+−]?[\d.,]+(e[-+]?\d+)?([kMB]|%|:\d\d.*| ±.*| to .*| [A-Za-z]{1,3})?$")


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str
    """Plain text; line breaks are kept."""
    kind: Literal["text"] = field(default="text", init=False)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the reader must not miss."""

    text: str
    """Plain text."""
    kind: Literal["notice"] = field(default="notice", init=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A table; cells that look like numbers are set right."""

    columns: tuple[str, ...]
    """Head of each column."""
    rows: tuple[tuple[str, ...], ...]
    """Cells, as long as ``columns`` each."""
    kind: Literal["table"] = field(default="table", init=False)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that travels inside the page."""

    data: bytes
    """The bytes of the file."""
    media: Literal["image/png", "image/svg+xml"]
    """What they are. SVG is shown as an image, in which a browser runs no script."""
    alt: str
    """What it shows, for those who do not see it."""
    kind: Literal["picture"] = field(default="picture", init=False)

    @property
    def source(self) -> str:
        """The data URI."""
        return f"data:{self.media};base64,{base64.b64encode(self.data).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Marked:
    """Text with some of its parts marked, every blank and line break kept."""

    parts: tuple[tuple[str, Literal["", "mark", "strong", "faint"]], ...]
    """Plain text and how it is set; a strong part is marked, too."""
    kind: Literal["marked"] = field(default="marked", init=False)


Block = Text | Notice | Table | Picture | Marked


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it."""

    heading: str
    """Plain text; empty for an opening section without one."""
    blocks: Sequence[Block]
    """In reading order."""


_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --grey: #5d5d5d; --rule: #d9d9d9; --paper: #fff;
  --soft: #f5f6f7;
  --amber: #7a3b00; --amber-paper: #fff4e2; --amber-rule: #e69f00;
  --mark: #c9ecdd; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --grey: #a5a5a5; --rule: #3a3d41;
  --paper: #17191c;
  --soft: #202327; --amber: #ffd49a; --amber-paper: #33270f; --mark: #0b4f3c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2rem clamp(1rem, 4vw, 3rem) 4rem;
  background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1.2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .7rem; }
p { max-width: 46rem; margin: .5rem 0; white-space: pre-line; overflow-wrap: anywhere; }
p.notice { max-width: none; background: var(--amber-paper); color: var(--amber); padding: .6rem .9rem;
  border-left: 4px solid var(--amber-rule); border-radius: 0 4px 4px 0; }
pre { background: var(--soft); padding: .8rem 1rem; border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; font: .85rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
pre .mark, pre .strong { background: var(--mark); }
pre .strong { outline: 1px solid var(--grey); border-radius: 2px; }
pre .faint { color: var(--grey); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums;
  margin: .6rem 0 1.2rem; }
th, td { padding: .38rem .8rem .38rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rule);
  white-space: pre-line; overflow-wrap: break-word; max-width: 34rem; }
th { color: var(--grey); font-weight: 600; white-space: nowrap; }
td.number, th.number { text-align: right; white-space: nowrap; }
tbody tr:hover { background: var(--soft); }
img { width: 100%; max-width: 62rem; height: auto; background: #fff; border-radius: 6px; display: block;
  margin: .6rem 0; }
@media (prefers-color-scheme: dark) { img { padding: .5rem; } }
@media print { body { max-width: none; padding: 0; } .wide { overflow: visible; } }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
{% for section in sections %}<section>
{% if section.heading %}<h2>{{ section.heading }}</h2>
{% endif %}{% for block in section.blocks %}{% if block.kind == "table" %}{% set right = numeric(block) -%}
<div class="wide">
<table>
<thead><tr>{% for name in block.columns %}<th scope="col"{{ ' class="number"'|safe if right[loop.index0] }}>
{{- name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in block.rows %}<tr>{% for cell in row %}<td{{ ' class="number"'|safe if right[loop.index0] }}>
{{- cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
{% elif block.kind == "picture" %}<img src="{{ block.source }}" alt="{{ block.alt }}">
{% elif block.kind == "marked" %}<pre>
{% for text, look in block.parts %}<span{% if look %} class="{{ look }}"{% endif %}>{{ text }}</span>
{%- endfor %}</pre>
{% elif block.kind == "notice" %}<p class="notice" role="note">{{ block.text }}</p>
{% else %}<p>{{ block.text }}</p>
{% endif %}{% endfor %}</section>
{% endfor %}</main>
</body>
</html>
"""


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole page as text: HTML 5, UTF-8, everything inside, all content escaped."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    style = Markup(_STYLE)  # noqa: S704 - a constant of this file
    template = environment.from_string(_PAGE)
    return template.render(title=title, sections=sections, style=style, numeric=numeric_columns)


def numeric_columns(table: Table) -> list[bool]:
    """Per column, whether all its filled cells look like numbers."""
    columns = [[row[index] for row in table.rows] for index in range(len(table.columns))]
    filled = [[cell for cell in cells if cell not in ("", "-")] for cells in columns]
    return [bool(cells) and all(_NUMBER.match(cell) for cell in cells) for cells in filled]
