"""MedQuAD's original XML -> rows.

The main schema is ``Document / Focus / QAPairs / QAPair / Question, Answer``; some NINDS files say ``doc /
doctitle-focus / qaPairs / pair / question, answer`` and one CDC file ``DiseaseFile`` (Ben Abacha and
Demner-Fushman 2019, "A question-entailment approach to question answering"). Entities are not expanded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medft.data.readers.rows import RowError, SourceRow, SourceRows

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ROOTS = frozenset({"Document", "doc", "DiseaseFile"})


def read(path: Path) -> SourceRows:
    """The question-answer pairs of one file, blank answers included.

    Columns: id, question, answer, qtype, focus, source, url, document.
    """
    from defusedxml import DefusedXmlException, ElementTree

    try:
        root: Element = ElementTree.parse(path).getroot()  # type: ignore[assignment]  # a parsed tree has one
    except ElementTree.ParseError as error:
        line, _ = error.position
        yield RowError("malformed_xml", "not well-formed XML", where=f"{path}:{line}")
        return
    except (DefusedXmlException, ValueError, OSError) as error:
        yield RowError("malformed_xml", f"unusable XML: {type(error).__name__}", where=str(path))
        return
    if root.tag not in ROOTS:
        what = f"<{root.tag}> is not a MedQuAD document"
        yield RowError(
            "malformed_xml", what, where=f"{path}:1", remedy="<Document>, <doc> and <DiseaseFile> are"
        )
        return
    yield from _pairs(root, path)


def _pairs(root: Element, path: Path) -> SourceRows:
    attributes = root.attrib
    document = {
        "document": attributes.get("id") or attributes.get("docid") or attributes.get("fid") or path.stem,
        "source": attributes.get("source") or attributes.get("corpus") or "",
        "url": attributes.get("url", ""),
        "focus": _text(_first(root, "Focus", "doctitle-focus")),
    }
    for number, pair in enumerate([e for e in root.iter() if e.tag in ("QAPair", "pair")], 1):
        question, answer = _first(pair, "Question", "question"), _first(pair, "Answer", "answer")
        asked = {} if question is None else question.attrib
        yield SourceRow(
            f"{path} pair {number}",
            {
                "id": asked.get("qid", f"{document['document']}-{number}"),
                "question": _text(question),
                "answer": _text(answer),
                "qtype": asked.get("qtype", ""),
                **document,
            },
        )


def _first(element: Element, *tags: str) -> Element | None:
    return next((child for child in element if child.tag in tags), None)


def _text(element: Element | None) -> str:
    return "" if element is None else "".join(element.itertext())
