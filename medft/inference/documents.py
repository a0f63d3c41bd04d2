"""Files of text -> passages that can be found and shown, and what any index over them offers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from medft.errors import DataError

SUFFIXES = (".txt", ".md", ".jsonl", ".json")
MAX_WORDS = 200
"""Words in a passage: a few of them fit a prompt of 2,048 tokens beside question and answer."""

_PARAGRAPH = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document."""

    source: str
    """The document: file name, or file name and the id of the row."""
    text: str
    """What it says."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found."""

    passage: Passage
    """The passage."""
    score: float
    """Higher is closer; comparable within one query only."""


class Index(Protocol):
    """Passages that can be searched."""

    passages: Sequence[Passage]

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """The best passages of each query, best first; at most ``k``, fewer where fewer match."""

    def save(self, folder: Path) -> None:
        """Write the index, without its passages, into an existing folder."""


def read_passages(path: Path, max_words: int = MAX_WORDS) -> list[Passage]:
    """The passages of a file, or of every .txt, .md, .jsonl and .json file under a folder.

    A .jsonl row needs ``text``, or ``question`` and ``answer``, and may have ``id``; a .json file is one in
    PubMedQA's original form, of which the contexts are read.

    Raises:
        DataError: nothing to read, a file that is not UTF-8 text, or a row without text.
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
    root = path.parent if path.is_file() else path
    passages = [
        Passage(source, piece)
        for file in files
        for source, text in _documents(file, str(file.relative_to(root)))
        for piece in split(text, max_words)
    ]
    if not passages:
        raise DataError(
            "there are no documents to search",
            where=str(path),
            remedy=f"name a file or a folder with {', '.join(SUFFIXES)} files",
        )
    return passages


def split(text: str, max_words: int = MAX_WORDS) -> list[str]:
    """Neighbouring paragraphs put together while they have at most ``max_words`` words; a longer paragraph is
    cut between words. No word is lost."""
    pieces: list[str] = []
    size = 0
    for paragraph in _paragraphs(text, max_words):
        count = len(paragraph.split())
        if pieces and size + count <= max_words:
            pieces[-1] += "\n\n" + paragraph
            size += count
        else:
            pieces.append(paragraph)
            size = count
    return pieces


def _paragraphs(text: str, max_words: int) -> Iterator[str]:
    for paragraph in _PARAGRAPH.split(text):
        words = paragraph.split()
        if len(words) <= max_words:
            yield from filter(None, [paragraph.strip()])
        else:
            chunks = iter(words)
            while chunk := list(islice(chunks, max_words)):
                yield " ".join(chunk)


def _documents(file: Path, name: str) -> Iterable[tuple[str, str]]:
    if file.suffix.lower() == ".json":
        return _pubmedqa(file)
    text = _read(file)
    return _rows(text, file, name) if file.suffix.lower() == ".jsonl" else [(name, text)]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"the document is not UTF-8 text (byte {error.start})",
            where=str(file),
            remedy="convert it, for example: iconv -f WINDOWS-1252 -t UTF-8",
        ) from None


def _rows(text: str, file: Path, name: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            texts = [str(row[field]) for field in ("text", "question", "answer") if row.get(field)]
            yield f"{name}#{row.get('id', number)}", texts[0] + "".join(f"\n\n{more}" for more in texts[1:])
        except (ValueError, IndexError, AttributeError):
            raise DataError(
                "the row is not a JSON object with a 'text', or a question and its answer",
                where=f"{file}:{number}",
                remedy='write {"id": ..., "text": ...} per line',
            ) from None


def _pubmedqa(file: Path) -> Iterator[tuple[str, str]]:
    from medft.data.readers.pubmedqa import read
    from medft.data.readers.rows import RowError

    for row in read(file):
        if isinstance(row, RowError):
            raise row
        yield f"PMID {row.values['PMID']}", "\n\n".join(row.values["CONTEXTS"])
