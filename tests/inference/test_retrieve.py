"""The BM25 index: against the formula, on disk, and on the real PubMedQA questions."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from medft.errors import DataError
from medft.inference.documents import Passage, read_passages, split
from medft.inference.retrieve import Bm25, load_index, open_index, save_index

TEXTS = [
    "aspirin lowers fever and relieves pain",
    "insulin lowers blood glucose in diabetes; insulin is injected",
    "fever with cough suggests pneumonia",
    "statins lower cholesterol",
]
PASSAGES = [Passage(f"doc{i}", text) for i, text in enumerate(TEXTS)]


def _bm25(query: list[str], text: str, k1: float = 1.5, b: float = 0.75) -> float:
    """Lucene's variant, written down from its definition."""
    stop = {"and", "in", "is", "with"}
    documents = [[w.strip(";") for w in t.split() if w not in stop] for t in TEXTS]
    words = [w.strip(";") for w in text.split() if w not in stop]
    average = sum(map(len, documents)) / len(documents)
    score = 0.0
    for word in query:
        df = sum(word in d for d in documents)
        idf = math.log(1 + (len(documents) - df + 0.5) / (df + 0.5))
        tf = words.count(word)
        score += idf * tf / (tf + k1 * (1 - b + b * len(words) / average))
    return score


def test_scores_are_bm25() -> None:
    (hits,) = Bm25(PASSAGES).search(["insulin fever lowers"], k=4)
    for hit in hits:
        assert hit.score == pytest.approx(_bm25(["insulin", "fever", "lowers"], hit.passage.text), rel=1e-5)
    assert [hit.passage.source for hit in hits] == ["doc1", "doc0", "doc2"]


def test_a_passage_without_a_common_word_is_no_hit() -> None:
    assert Bm25(PASSAGES).search(["zzz", "the of", "", "statins"], k=99)[:3] == [[], [], []]


def test_an_index_survives_the_disk(tmp_path: Path) -> None:
    index = Bm25(PASSAGES)
    save_index(index, tmp_path / "index")
    again = load_index(tmp_path / "index", "bm25", "")
    assert again.search(["fever cough"], k=3) == index.search(["fever cough"], k=3)


def test_the_same_documents_are_indexed_once(tmp_path: Path) -> None:
    docs, cache = tmp_path / "docs", tmp_path / "cache"
    docs.mkdir()
    (docs / "a.md").write_text("Asthma narrows the airways.\n\nIt is treated with inhalers.")
    open_index(docs, "bm25", "", cache)
    (built,) = cache.iterdir()
    stamp = (built / "passages.jsonl").stat().st_mtime_ns
    open_index(docs, "bm25", "", cache)
    assert (built / "passages.jsonl").stat().st_mtime_ns == stamp
    (docs / "b.txt").write_text("Gout swells a toe.")
    (hits,) = open_index(docs, "bm25", "", cache).search(["gout"], 1)
    assert hits[0].passage == Passage("b.txt", "Gout swells a toe.")
    assert len(list(cache.iterdir())) == 2


def test_a_damaged_index_says_so(tmp_path: Path) -> None:
    save_index(Bm25(PASSAGES), tmp_path / "index")
    (tmp_path / "index" / "data.csc.index.npy").write_bytes(b"x")
    with pytest.raises(DataError, match="damaged"):
        load_index(tmp_path / "index", "bm25", "")


def test_documents_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One.")
    (tmp_path / "b.jsonl").write_text('{"id": "x7", "text": "Two."}\n\n{"text": "Three."}\n')
    (tmp_path / "picture.png").write_bytes(b"\x89")
    assert [(p.source, p.text) for p in read_passages(tmp_path)] == [
        ("a.txt", "One."),
        ("b.jsonl#x7", "Two."),
        ("b.jsonl#3", "Three."),
    ]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"\xff\xfe\x00", "not UTF-8"),
        ("a.jsonl", b'{"words": 1}', "'text'"),
        ("a.jsonl", b"[1]", "'text'"),
        ("a.png", b"x", "no documents"),
        ("a.txt", b"  \n", "no documents"),
    ],
)
def test_documents_that_cannot_be_read(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_passages(tmp_path)


def test_passages_lose_no_word_and_stay_short() -> None:
    text = "\n\n".join(
        " ".join(f"w{i}.{j}" for j in range(n)) for i, n in enumerate([30, 50, 500, 1, 199, 2])
    )
    pieces = split(text, 200)
    assert " ".join(pieces).split() == text.split()
    assert max(len(piece.split()) for piece in pieces) <= 200
    assert len(pieces) < 7


def test_the_real_pubmedqa_questions_find_their_abstract() -> None:
    root = os.environ.get("MEDFT_REAL_DATA")
    if not root:
        pytest.skip("MEDFT_REAL_DATA is not set: retrieval over the real PubMedQA is not tested")
    import json

    rows = json.loads((Path(root) / "pubmedqa" / "ori_pqal.json").read_text())
    index = Bm25([Passage(pmid, "\n\n".join(row["CONTEXTS"])) for pmid, row in rows.items()])
    hits = index.search([row["QUESTION"] for row in rows.values()], k=5)
    found = [[hit.passage.source for hit in row] for row in hits]
    first = sum(row[:1] == [pmid] for pmid, row in zip(rows, found, strict=True)) / len(rows)
    fifth = sum(pmid in row for pmid, row in zip(rows, found, strict=True)) / len(rows)
    print(f"recall@1 {first:.3f}, recall@5 {fifth:.3f}")
    assert first > 0.93
    assert fifth > 0.97


def test_a_line_separator_in_a_document_ends_no_row(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "Rest\u2028and drink."}\n', encoding="utf-8")
    [passage] = read_passages(tmp_path / "a.jsonl")
    assert passage.text.split() == ["Rest", "and", "drink."]
