"""Search: which passages answer a question. The BM25 index, and indexes kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medft.errors import DataError
from medft.files import atomic_folder, write_text
from medft.inference.documents import Hit, Index, Passage, read_passages

if TYPE_CHECKING:
    import bm25s

IndexKind = Literal["bm25", "dense"]


class Bm25:
    """Okapi BM25 by bm25s: its default method "lucene" with k1 = 1.5 and b = 0.75, English stop words left
    out, no stemming (Robertson & Zaragoza 2009; arXiv 2407.03618)."""

    def __init__(self, passages: Sequence[Passage], index: bm25s.BM25 | None = None) -> None:
        self.passages = passages
        self._index = _bm25(passages) if index is None else index

    @classmethod
    def load(cls, folder: Path, passages: Sequence[Passage]) -> Bm25:
        """The index that ``save`` wrote."""
        import bm25s

        return cls(passages, bm25s.BM25.load(folder, load_corpus=False, show_progress=False))

    def save(self, folder: Path) -> None:
        """See ``Index``."""
        self._index.save(folder, show_progress=False)

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """See ``Index``; a passage that shares no word with the query is not a hit."""
        if not queries:
            return []
        found, scores = self._index.retrieve(
            _tokens(queries), k=min(k, len(self.passages)), show_progress=False, backend_selection="numpy"
        )
        return [
            [Hit(self.passages[int(i)], float(s)) for i, s in zip(row, row_scores, strict=True) if s > 0]
            for row, row_scores in zip(found, scores, strict=True)
        ]


def build_index(kind: IndexKind, passages: Sequence[Passage], embedder: str) -> Index:
    """A new index of ``kind``; ``embedder`` is the sentence-transformers model of a dense one."""
    if kind == "bm25":
        return Bm25(passages)
    from medft.inference.dense import Dense

    return Dense(passages, embedder)


def open_index(path: Path, kind: IndexKind, embedder: str, cache: Path) -> Index:
    """The index over the documents at ``path``, from ``cache`` when the same passages were indexed before.

    Raises:
        DataError: the documents cannot be read.
        ConfigError: a dense index without its extra.
    """
    passages = read_passages(path)
    folder = cache / f"{kind}-{_digest(passages, embedder if kind == 'dense' else '')}"
    if (folder / "passages.jsonl").is_file():
        return load_index(folder, kind, embedder)
    index = build_index(kind, passages, embedder)
    save_index(index, folder)
    return index


def save_index(index: Index, folder: Path) -> None:
    """Write index and passages; the folder appears whole."""
    with atomic_folder(folder) as aside:
        index.save(aside)
        lines = (json.dumps(asdict(passage), ensure_ascii=False) for passage in index.passages)
        write_text(aside / "passages.jsonl", "\n".join(lines) + "\n")


def load_index(folder: Path, kind: IndexKind, embedder: str) -> Index:
    """The index that ``save_index`` wrote.

    Raises:
        DataError: the folder is damaged.
    """
    try:
        text = (folder / "passages.jsonl").read_text(encoding="utf-8")
        passages = [Passage(**json.loads(line)) for line in text.split("\n") if line]
        if kind == "bm25":
            return Bm25.load(folder, passages)
        from medft.inference.dense import Dense

        return Dense.load(folder, passages, embedder)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"the index is damaged ({type(error).__name__})",
            where=str(folder),
            remedy="remove the folder; it will be rebuilt",
        ) from error


def _bm25(passages: Sequence[Passage]) -> bm25s.BM25:
    import bm25s

    index = bm25s.BM25()
    index.index(_tokens([passage.text for passage in passages]), show_progress=False)
    return index


def _tokens(texts: Sequence[str]) -> list[list[str]]:
    import bm25s

    tokens: list[list[str]] = bm25s.tokenize(
        list(texts), stopwords="en", return_ids=False, show_progress=False
    )
    return tokens


def _digest(passages: Sequence[Passage], salt: str) -> str:
    digest = hashlib.sha256(salt.encode())
    for passage in passages:
        digest.update(f"{passage.source}\0{passage.text}\0".encode())
    return digest.hexdigest()[:16]
