"""A page with a script of medft's own and its data inside: the script is allowed by its digest; the network
and every other script are forbidden."""

from __future__ import annotations

import json

from markupsafe import Markup

from medft.report.html import TEMPLATES, digest, template


def script_page(title: str, notice: str, body: Markup, script: str, data: object) -> str:
    """The whole page as text.

    Args:
        title: plain text.
        notice: what a reader must not miss, plain text.
        body: what stands below it.
        script: the name of a script in templates/, which reads ``data`` from the element of that id.
        data: what fits JSON; it can end no element of the page.
    """
    code = (TEMPLATES / script).read_text(encoding="utf-8")
    plain = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return template("script_page.html.jinja").render(
        title=title, notice=notice, body=body, data=Markup(plain), script=Markup(code),  # noqa: S704
        script_hash=digest(code),
    )  # fmt: skip
