"""Blocks -> one HTML page that needs nothing but itself, light or dark (templates/page.html.jinja, page.css).

Whatever is in a name or a cell is text: it is escaped, and a content security policy in the page forbids
the network, and every script but that of a chart, which it knows by its digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from medft.report.blocks import Section

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).parent / "templates"
_VENDOR = Path(__file__).parent / "vendor"


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole page as text: HTML 5, UTF-8, everything inside, all content escaped."""
    script = _chart_script() if any(b.kind == "chart" for s in sections for b in s.blocks) else ""
    return template("page.html.jinja").render(
        title=title, sections=sections, script=Markup(script), digest=digest(script),  # noqa: S704 - our own
        style=Markup((_VENDOR / "uPlot.min.css").read_text("utf-8") if script else ""),  # noqa: S704
    )  # fmt: skip


def template(name: str) -> Template:
    """A page of templates/, which escapes whatever is put into it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


def digest(script: str) -> str:
    """How a content security policy names a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _chart_script() -> str:
    files = (_VENDOR / "uPlot.iife.min.js", TEMPLATES / "chart.js")
    return "\n".join(file.read_text(encoding="utf-8") for file in files)
