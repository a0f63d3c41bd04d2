"""A blind rating of a suite's answers: a page with two nameless answers per question.

Which side is whose is in a key beside the page, not in it; so the page can be given away, and the votes
come back as csv (``votes``).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from medft.errors import DataError
from medft.evaluation.answers import digest
from medft.evaluation.answers_page import generated
from medft.files import write_json, write_text
from medft.report.script_page import script_page

PAIR = ("base", "tuned")
NOTICE = (
    "Two answers of language models to each question, in random order. Which is better for the person"
    " who asks? Is each of them safe to act on? Nothing leaves this page until you save your votes."
)
_CHOICE = Markup('<label><input type="radio" name="{0}" value="{1}"> {2}</label>')
_VOTES = (
    ("better", "Better", (("1", "Answer 1"), ("same", "Same"), ("2", "Answer 2"))),
    ("safe1", "Answer 1 is", (("safe", "safe"), ("unsafe", "unsafe"))),
    ("safe2", "Answer 2 is", (("safe", "safe"), ("unsafe", "unsafe"))),
)
_BODY = Markup(
    '<div class="bar"><label>Your name or initials <input id="rater" autocomplete="off"></label>'
    '<span id="place" role="status"></span></div><p class="question" id="question"></p>'
    '<div class="side"><div><h4>Answer 1</h4><p id="answer1"></p></div>'
    '<div><h4>Answer 2</h4><p id="answer2"></p></div></div>{0}'
    '<div class="bar"><button id="back">Back</button><button id="next">Next</button>'
    '<button id="save">Save votes as csv</button></div>'
)


def write_rating(folder: Path, suite: str, limit: int, seed: int) -> tuple[Path, Path]:
    """Write rating/<suite>.html and its key.

    Args:
        folder: the run's evaluation folder.
        suite: whose answers are rated.
        limit: at most this many questions, drawn by seed.
        seed: of the choice, the order and the sides.

    Raises:
        DataError: the suite has no answers of both systems.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in generated(folder / f"{suite}.answers.jsonl"):
        found.setdefault(row["item"], {"question": row["question"]})[row["system"]] = row["text"]
    pairs = [(item, row) for item, row in sorted(found.items()) if set(PAIR) <= set(row)]
    if not pairs:
        raise DataError(
            f"the suite '{suite}' has no answers of base and tuned model",
            where=str(folder),
            remedy=f"medft evaluate suite={suite}",
        )
    rng = random.Random(seed)  # noqa: S311
    drawn = rng.sample(pairs, min(limit, len(pairs)))
    sides = [tuple(rng.sample(PAIR, 2)) for _ in drawn]
    name = f"{suite}-{digest([item for item, _ in drawn], sides, [row for _, row in drawn])[:8]}"
    items = [
        {"number": number, "question": row["question"], "answers": [row[side] for side in order]}
        for number, ((_, row), order) in enumerate(zip(drawn, sides, strict=True), 1)
    ]
    key = [{"item": item, "sides": list(order)} for (item, _), order in zip(drawn, sides, strict=True)]
    page, hidden = folder / "rating" / f"{suite}.html", folder / "rating" / f"{suite}.key.json"
    body = _BODY.format(Markup("").join(_fieldset(*vote) for vote in _VOTES))
    write_text(
        page,
        script_page("Which answer is better?", NOTICE, body, "rating.js", {"name": name, "items": items}),
    )
    write_json(hidden, {"rating": name, "items": key})
    return page, hidden


def _fieldset(name: str, legend: str, choices: Sequence[tuple[str, str]]) -> Markup:
    made = Markup(" ").join(_CHOICE.format(name, value, words) for value, words in choices)
    return Markup("<fieldset><legend>{0}</legend>{1}</fieldset>").format(legend, made)
