from __future__ import annotations

from html.parser import HTMLParser

from medft.report.blocks import Marked, Notice, Picture, Section, Table, Text
from medft.report.html import page

HOSTILE = "<script>alert(1)</script>\"'><img src=http://example.org/x onerror=alert(2)>"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(text)
    return parser.seen


def test_hostile_text_stays_text_everywhere() -> None:
    blocks = (
        Text(HOSTILE),
        Notice(HOSTILE),
        Table((HOSTILE,), ((HOSTILE,),)),
        Picture(b"x", "image/png", HOSTILE, "x.png"),
        Marked(((HOSTILE, ""), (HOSTILE, "mark"))),
    )
    seen = tags(page(HOSTILE, [Section(HOSTILE, blocks)]))
    assert not [tag for tag, _ in seen if tag == "script"]
    images = [attributes for tag, attributes in seen if tag == "img"]
    assert [image["alt"] for image in images] == [HOSTILE]
    assert not [name for _, attributes in seen for name in attributes if name.startswith("on")]


def test_nothing_comes_from_outside() -> None:
    seen = tags(page("t", [Section("s", (Picture(b"\x89PNG", "image/png", "a", "a.png"),))]))
    addresses = [
        value for _, attributes in seen for key, value in attributes.items() if key in ("src", "href")
    ]
    assert addresses == ["data:image/png;base64,iVBORw=="]
    policies = [a["content"] for tag, a in seen if tag == "meta" and "http-equiv" in a]
    assert len(policies) == 1 and (policies[0] or "").startswith("default-src 'none'")


def test_numbers_stand_right() -> None:
    table = Table(
        ("name", "value", "mixed"),
        (("a", "1.25", "1"), ("b", "-", "one")),
    )
    heads = [attributes for tag, attributes in tags(page("t", [Section("", [table])])) if tag == "th"]
    assert [head.get("class") for head in heads] == [None, "number", None]


def test_a_table_without_rows_is_shown_as_its_head() -> None:
    seen = [tag for tag, _ in tags(page("t", [Section("", [Table(("a", "b"), ())])]))]
    assert seen.count("th") == 2 and "td" not in seen


def test_marked_text_keeps_its_line_breaks_and_gains_none() -> None:
    text = page("t", [Section("", [Marked((("a\n", ""), ("b", "mark")))])])
    assert '<pre>\n<span>a\n</span><span class="mark">b</span></pre>' in text


def test_the_page_follows_the_readers_light_or_dark() -> None:
    text = page("t", [])
    assert "color-scheme: light dark" in text and "@media (prefers-color-scheme: dark)" in text
    assert "{%" not in text and "{{" not in text
