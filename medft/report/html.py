"""Blocks -> one HTML page that needs nothing but itself, light or dark (templates/page.html.jinja, page.css).

Whatever stands in a name or a cell is text: it is escaped, and a content security policy in the page forbids
scripts and the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medft.report.blocks import Section

_TEMPLATES = Path(__file__).parent / "templates"


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole page as text: HTML 5, UTF-8, everything inside, all content escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.jinja").render(title=title, sections=sections)
