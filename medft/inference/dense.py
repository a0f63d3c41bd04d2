"""A dense index: sentence embeddings in a faiss vector store (the extra "dense")."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from medft.errors import ConfigError, EngineError
from medft.inference.documents import Hit, Passage

if TYPE_CHECKING:
    import faiss
    import numpy as np
    import numpy.typing as npt
    from sentence_transformers import SentenceTransformer

_FILE = "vectors.faiss"


class Dense:
    """Cosine similarity of sentence embeddings, searched exactly (Reimers & Gurevych 2019; arXiv 2401.08281).

    Args:
        passages: what is searched.
        embedder: a sentence-transformers model, as hub id or folder.

    Raises:
        ConfigError: the extra is not installed.
        EngineError: the embedding model cannot be loaded.
    """

    def __init__(self, passages: Sequence[Passage], embedder: str, store: faiss.Index | None = None) -> None:
        self.passages = passages
        self._model = _embedder(embedder)
        self._store = self._build() if store is None else store

    @classmethod
    def load(cls, folder: Path, passages: Sequence[Passage], embedder: str) -> Dense:
        """The index that ``save`` wrote."""
        return cls(passages, embedder, _faiss().read_index(str(folder / _FILE)))

    def save(self, folder: Path) -> None:
        """See ``Index``."""
        _faiss().write_index(self._store, str(folder / _FILE))

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """See ``Index``."""
        if not queries:
            return []
        scores, found = self._store.search(self._embed(queries), min(k, len(self.passages)))
        return [
            [Hit(self.passages[int(i)], float(s)) for i, s in zip(row, row_scores, strict=True)]
            for row, row_scores in zip(found, scores, strict=True)
        ]

    def _build(self) -> faiss.Index:
        vectors = self._embed([passage.text for passage in self.passages])
        store: faiss.Index = _faiss().IndexFlatIP(vectors.shape[1])
        store.add(vectors)
        return store

    def _embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        vectors: npt.NDArray[np.float32] = self._model.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False
        )
        return vectors


def _faiss() -> ModuleType:
    try:
        import faiss
    except ImportError:
        raise _missing("faiss") from None
    return faiss


def _embedder(name: str) -> SentenceTransformer:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise _missing("sentence-transformers") from None
    try:
        return SentenceTransformer(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"the embedding model cannot be loaded ({type(error).__name__})",
            where=name,
            remedy="name a sentence-transformers folder, or use bm25, which needs no model",
        ) from error


def _missing(package: str) -> ConfigError:
    return ConfigError(
        f"dense retrieval needs {package}, which is not installed",
        remedy="pip install 'medft[dense]', or use bm25",
    )
