"""Question XML of TREC LiveQA's medical task -> rows.

Consumer questions with a subject and a message, sub-questions with focus and type, and reference answers (Ben
Abacha et al. 2017, "Overview of the medical question answering task at TREC 2017 LiveQA"). Training and test
files spell their elements differently; either is read. Entities are not expanded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medft.data.readers.rows import RowError, SourceRow, SourceRows
from medft.data.readers.utf8 import open_bytes

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def read(path: Path) -> SourceRows:
    """A row per reference answer, and one for a question that has none.

    Columns: id (of the question), subject, message, paraphrase, summary, focus, type, answer.
    """
    from defusedxml import DefusedXmlException, ElementTree

    try:
        with open_bytes(path) as file:
            root: Element = ElementTree.parse(file).getroot()  # type: ignore[assignment]
    except ElementTree.ParseError as error:
        yield RowError("malformed_xml", "not well-formed XML", where=f"{path}:{error.position[0]}")
        return
    except (DefusedXmlException, ValueError, LookupError) as error:
        yield RowError("malformed_xml", f"unusable XML: {type(error).__name__}", where=str(path))
        return
    questions = list(_all(root, "nlm-question"))
    if not questions:
        remedy = "<NLM-Question> elements are read; dataset.reader=medquad_xml reads MedQuAD"
        yield RowError(
            "malformed_xml", f"<{root.tag}> contains no question", where=f"{path}:1", remedy=remedy
        )
    for number, question in enumerate(questions, 1):
        yield from _rows(question, path, number)


def _rows(question: Element, path: Path, number: int) -> SourceRows:
    asked = {
        "id": question.get("questionid") or question.get("qid") or str(number),
        "subject": _text(question, "subject"),
        "message": _text(question, "message"),
        "paraphrase": _text(question, "nist-paraphrase"),
        "summary": _text(question, "nlm-summary"),
    }
    place = f"{path} question {number}"
    parts = list(_all(question, "sub-question")) or [question]
    for part in parts:
        about = {"focus": _text(part, "focus"), "type": _text(part, "type")}
        answers = ["".join(element.itertext()).strip() for element in _all(part, "answer")]
        for answer in answers or [""]:
            yield SourceRow(place, {**asked, **about, "answer": answer})


def _all(element: Element, tag: str) -> Iterator[Element]:
    """Elements below by their tag, however it is spelled."""
    return (child for child in element.iter() if isinstance(child.tag, str) and child.tag.lower() == tag)


def _text(element: Element, tag: str) -> str:
    return next(("".join(child.itertext()).strip() for child in _all(element, tag)), "")
