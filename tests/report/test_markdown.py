from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from medft.report.blocks import Figure, Marked, Notice, Picture, Section, Table, Text
from medft.report.markdown import code, document, escape, link
from tests.report.test_html import HOSTILE, tags


def render(text: str) -> str:
    return str(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text))


@pytest.mark.parametrize(
    "text",
    ["a*b_c`d[e]|f~g$h", "# not a heading", "- not a list", "---", "+", "=", "-0.5 to +0.5", "1 < 2 & 3"],
)
def test_escape_keeps_the_text(text: str) -> None:
    assert html.unescape(render(escape(text))) == f"<p>{text}</p>\n"


@given(st.text(st.sampled_from("ab1 *_`[]()<>&|~$\\-+=#!:/\n\t\"'")))
def test_no_text_in_a_table_becomes_markup(text: str) -> None:
    seen = tags(render(document("t", [Section("", [Table(("a",), ((f"x{text}y",),))])])))
    assert [tag for tag, _ in seen] == ["h1", "table", "thead", "tr", "th", "tbody", "tr", "td"]


def test_code_and_link() -> None:
    assert code("a`b") == "`` a`b ``"
    assert link("x]", "https://a.org/(b)<c>") == "[x\\]](<https://a.org/%28b%29%3Cc%3E>)"
    assert link("x", "javascript:alert(1)") == "x"
    assert link("x", "data:text/html,y") == "x"


def test_every_block_is_shown_as_text() -> None:
    blocks = (
        Text(f"first\n{HOSTILE}"),
        Notice(HOSTILE),
        Table((HOSTILE, "n"), ((HOSTILE, "1.5"), ("b", "-"))),
        Picture(b"x", "image/png", HOSTILE, "a b.png"),
        Marked(((HOSTILE, ""), (HOSTILE, "mark"))),
    )
    text = document(HOSTILE, [Section(HOSTILE, blocks)])
    seen = tags(render(text))
    assert not [tag for tag, _ in seen if tag == "script"]
    assert [attributes["src"] for tag, attributes in seen if tag == "img"] == ["a%20b.png"]
    assert [tag for tag, _ in seen if tag in ("h1", "h2", "blockquote", "br", "table", "pre")] == [
        "h1", "h2", "br", "blockquote", "table", "pre",
    ]  # fmt: skip
    assert "| --- | ---: |" in text


def test_a_drawing_with_a_file_is_pointed_to() -> None:
    svg = "<svg />"
    assert "![a \\* b](<figures/x y.svg>)".replace("x y", "x%20y") in document(
        "t", [Section("", [Figure(svg, "a * b", "figures/x y.svg")])]
    )
    assert "(drawn on the HTML page)" in document("t", [Section("", [Figure(svg, "words")])])
