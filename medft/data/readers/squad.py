"""SQuAD's JSON -> rows.

One object with a list ``data`` of articles, each with paragraphs, each with a context and questions about it
(Rajpurkar et al. 2016, "SQuAD: 100,000+ questions for machine comprehension of text"; with unanswerable
questions 2018).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from medft.data.readers.rows import RowError, SourceRow, SourceRows
from medft.data.readers.utf8 import open_text
from medft.errors import DataError


def read(path: Path) -> SourceRows:
    """A row per question, with the columns id, title, context, question, answer (the first one, empty where
    the question cannot be answered) and answers (all).

    Raises:
        DataError: the file is not a complete JSON object with a list of articles.
    """
    with open_text(path) as file:
        try:
            articles = json.load(file)["data"]
        except (ValueError, KeyError, TypeError, RecursionError):
            what = "the file is not one JSON object with a list of articles under 'data'"
            raise DataError(what, where=str(path), remedy="dataset.reader=jsonl for other JSON") from None
    for number, (article, context, asked) in enumerate(_questions(articles), 1):
        place = f"{path} question {number}"
        if not isinstance(asked, Mapping) or not isinstance(asked.get("question"), str):
            yield RowError("malformed_json", "the question has no text", where=place)
            continue
        given = [] if asked.get("is_impossible") else _mappings(asked.get("answers"))
        answers = [str(one.get("text", "")) for one in given]
        yield SourceRow(
            place,
            {
                "id": str(asked.get("id", number)),
                "title": article.get("title", ""),
                "context": context,
                "question": asked["question"],
                "answer": answers[0] if answers else "",
                "answers": answers,
            },
        )


def _questions(articles: object) -> Iterator[tuple[Mapping[str, object], str, object]]:
    for article in _mappings(articles):
        for paragraph in _mappings(article.get("paragraphs")):
            asked = paragraph.get("qas")
            for one in asked if isinstance(asked, list) else []:
                yield article, str(paragraph.get("context", "")), one


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
