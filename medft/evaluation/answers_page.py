"""evaluation/answers.html: every question with its reference and the answers of base and tuned model, to be
searched, sorted by a metric and filtered for failures."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from medft.errors import RunError
from medft.evaluation.metrics import UNPARSABLE, repetition
from medft.files import write_text
from medft.report.script_page import script_page
from medft.runs.values import flag, mapping, mappings, number, text

NOTICE = (
    "Answers of a language model, not medical advice. The questions come from the data: treat this "
    "page like the data."
)
UNFINISHED, REPEATED = "unfinished", "repeated"
FLAGS = (UNFINISHED, REPEATED, UNPARSABLE)
MUCH = 0.3
"""The share of repeated 4-grams from which an answer is called repeated."""
_BODY = Markup(
    '<div class="bar"><label>Suite <select id="suite"></select></label>'
    '<label>Order <select id="order"></select></label>'
    '<input id="search" type="search" placeholder="Words to find" aria-label="Words to find"></div>'
    '<div class="bar">{buttons}<span id="count" role="status"></span></div>'
    '<div id="items"></div><button id="more" hidden>Show more</button>'
)
ASK_AGAIN = "medft evaluate repeats only what is damaged"
ABOUT = {"id": "item", "group": "group", "question": "question", "reference": "gold"}
Line = Mapping[str, Any]
"""A line of an answers file."""


def write_answers(folder: Path, suites: Mapping[str, Line], title: str) -> Path | None:
    """Write answers.html of all suites whose generated answers are kept; None when there are none.

    Args:
        folder: where the answers files and the page lie.
        suites: what <suite>.json holds, by the name of the suite.
        title: the page's.
    """
    shown = []
    for name, suite in suites.items():
        if items := _items(folder / f"{name}.answers.jsonl"):
            systems = list(dict.fromkeys(system for item in items for system in item["answers"]))
            metrics = _metrics(suite, items)
            shown.append({"name": name, "systems": systems, "metrics": metrics, "items": items})
    if not shown:
        return None
    buttons = Markup("").join(
        Markup('<button data-flag="{0}" aria-pressed="false">{0}</button>').format(each) for each in FLAGS
    )
    page = script_page(title, NOTICE, _BODY.format(buttons=buttons), "answers.js", shown)
    write_text(folder / "answers.html", page)
    return folder / "answers.html"


def generated(path: Path) -> Iterator[Line]:
    """The generated answers of a finished suite, with their questions.

    Raises:
        RunError: a line is none.
    """
    if not path.is_file():
        return
    for line in filter(None, path.read_text(encoding="utf-8", errors="replace").split("\n")):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise RunError(f"{path.name} is damaged: a line has no answer", where=str(path), remedy=ASK_AGAIN)
        if row.get("kind") == "generated" and "question" in row:
            yield row


def _items(path: Path) -> list[dict[str, Any]]:
    """The questions in the order of the file, each with the answers of the systems by name."""
    found: dict[str, dict[str, Any]] = {}
    for row in generated(path):
        about = {name: row[at] for name, at in ABOUT.items()}
        item = found.setdefault(text(row["item"]), {**about, "answers": {}})
        item["answers"][row["system"]] = {
            "text": row["text"], "scores": _scores(row),
            "read": text(row.get("read")),
            "flags": list(_flags(row)),
        }  # fmt: skip
    return list(found.values())


def _scores(row: Line) -> dict[str, float]:
    found = {name: number(mapping(row, "scores"), name) for name in mapping(row, "scores")}
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}


def _flags(row: Line) -> Iterator[str]:
    if not row["stopped"]:
        yield UNFINISHED
    if repetition(row["text"]) >= MUCH:
        yield REPEATED
    if row.get("read") == UNPARSABLE:
        yield UNPARSABLE


def _metrics(suite: Line, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The metrics that answers have a score of, each with its direction."""
    known = {name for item in items for answer in item["answers"].values() for name in answer["scores"]}
    up = {text(m.get("name")): flag(m, "higher_is_better") for m in mappings(suite, "figures")}
    return [{"name": name, "higher_is_better": up[name]} for name in up if name in known]
