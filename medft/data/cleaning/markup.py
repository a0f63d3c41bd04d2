"""HTML in texts: tags become the line breaks, list marks and tabs that they stand for, entities their
characters.

Only tags of HTML are taken for tags ("<5 mg", "a < b and c > d" and unknown ones stay), and a record that is
about markup keeps it all.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

_BREAKS = frozenset({
    "p", "div", "br", "tr", "table", "ul", "ol", "dl", "dd", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "section", "article", "header", "footer", "blockquote", "pre", "thead", "tbody", "tfoot", "caption",
    "figure", "figcaption",
})  # fmt: skip
_PLAIN = frozenset({
    "a", "abbr", "b", "big", "center", "cite", "code", "em", "font", "i", "img", "ins", "label", "mark", "q",
    "small", "span", "strong", "sub", "sup", "tt", "u", "var", "iframe", "button", "input", "form", "nav",
    "main", "aside", "body", "html", "head", "meta", "link", "title", "col", "colgroup",
})  # fmt: skip
_CELLS, _SILENT = frozenset({"td", "th"}), frozenset({"script", "style"})
_KNOWN = _BREAKS | _PLAIN | _CELLS | _SILENT | {"li"}
_NAMES = "|".join(sorted(_KNOWN, key=len, reverse=True))
_TAG = re.compile(rf"</?(?:{_NAMES})(?:\s[^<>]*)?/?>|<!--", re.IGNORECASE)
_ESCAPED_TAG = re.compile(rf"&lt;/?(?:{_NAMES})\b", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_ABOUT_MARKUP = re.compile(
    r"\b(?:html5?|xml|css|javascript|markup|svg|php|jsx)\b|```|<!doctype", re.IGNORECASE
)
_EMPTY_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_AND = "\ue002"
"""A private-use character in place of "&", which the parser would take for the start of an entity."""
_LESS = "\ue003"
"""The same for a "<" that begins no tag."""
_RAISED = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")


def is_about_markup(text: str) -> bool:
    """Whether tags and entities are what ``text`` talks of."""
    return _ABOUT_MARKUP.search(text) is not None


def without_tags(text: str) -> str:
    """``text`` with its HTML tags replaced by what they show."""
    if "<" not in text or not _TAG.search(text):
        return text
    parser = _Shown()
    parser.feed(_unclosed_as_text(text).replace("&", _AND))
    parser.close()
    shown = "".join(parser.shown).replace(_AND, "&").replace(_LESS, "<")
    return _EMPTY_LINES.sub("\n\n", shown).strip("\n")


def _unclosed_as_text(text: str) -> str:
    """Scripts and styles are never shown; one without an end would hide all that follows."""
    for tag in _SILENT:
        *_, end = (0, *(match.end() for match in re.finditer(f"</{tag}", text, re.IGNORECASE)))
        text = text[:end] + re.sub(rf"<(?={tag}\b)", _LESS, text[end:], flags=re.IGNORECASE)
    return text


def without_entities(text: str) -> str:
    """``text`` with its HTML entities replaced by their characters, escaped twice or not; tags that were
    escaped are then replaced, too."""
    if "&" not in text:
        return text
    tags, result = _ESCAPED_TAG.search(text), text
    for _ in range(2):
        result = _ENTITY.sub(lambda match: html.unescape(match.group()), result)
    return without_tags(result) if tags else result


class _Shown(HTMLParser):
    """What a reader sees of a page; entities stay as they are."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.shown: list[str] = []
        self._raised = self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _KNOWN or any(value is None for _, value in attrs):
            self.shown.append(self.get_starttag_text() or "")
            return
        self._raised += tag == "sup"
        self._silent += tag in _SILENT
        self._break(tag)
        self.shown += ["- "] * (tag == "li") + ["\n"] * (tag == "p")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._raised -= tag == "sup"
        self._silent -= tag in _SILENT

    def handle_endtag(self, tag: str) -> None:
        if tag not in _KNOWN:
            self.shown.append(f"</{tag}>")
            return
        self._raised = max(0, self._raised - (tag == "sup"))
        self._silent = max(0, self._silent - (tag in _SILENT))
        self.shown += ["\t"] * (tag in _CELLS) + ["\n"] * (tag in _BREAKS - {"br", "hr"})

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.shown.append(data.translate(_RAISED) if self._raised else data)

    def unknown_decl(self, data: str) -> None:
        self.shown.append(f"<![{data}]>")

    def handle_pi(self, data: str) -> None:
        self.shown.append(f"<?{data}>")

    def _break(self, tag: str) -> None:
        if tag in _BREAKS or tag == "li":
            while self.shown and not self.shown[-1].strip(" \t"):
                self.shown.pop()
            if self.shown and not self.shown[-1].endswith("\n"):
                self.shown.append("\n")
