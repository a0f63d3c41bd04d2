"""The dense index on a small random embedding model, against cosines computed here."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft.errors import ConfigError, EngineError
from medft.inference.documents import Passage
from medft.inference.retrieve import build_index, load_index, save_index

PASSAGES = [
    Passage(f"d{i}", text) for i, text in enumerate(["fever and cough", "gout in a toe", "a broken arm"])
]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("sentence_transformers", reason="the extra dense is not installed: NOT TESTED")
    pytest.importorskip("faiss")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("embedder")
    words = sorted({word for p in PASSAGES for word in p.text.split()})
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    sizes = BertConfig(
        vocab_size=40, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    BertModel(sizes).save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"))
    SentenceTransformer(modules=[transformer, Pooling(32)]).save(str(folder / "st"))
    return str(folder / "st")


def test_it_finds_by_cosine_and_survives_the_disk(embedder: str, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    index = build_index("dense", PASSAGES, embedder)
    (hits,) = index.search(["gout in a toe"], k=9)
    assert hits[0].passage.source == "d1"
    assert hits[0].score == pytest.approx(1.0, abs=1e-5)
    vectors = SentenceTransformer(embedder).encode(["gout in a toe", *(h.passage.text for h in hits)])
    for hit, vector in zip(hits, vectors[1:], strict=True):
        cosine = (vectors[0] @ vector) / ((vectors[0] @ vectors[0]) * (vector @ vector)) ** 0.5
        assert hit.score == pytest.approx(float(cosine), abs=1e-5)
    save_index(index, tmp_path / "index")
    assert load_index(tmp_path / "index", "dense", embedder).search(["gout in a toe"], 9) == [hits]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match="sentence-transformers"):
        build_index("dense", PASSAGES, "x")


def test_an_embedder_that_is_not_there(tmp_path: Path, embedder: str) -> None:
    with pytest.raises(EngineError, match="embedding model"):
        build_index("dense", PASSAGES, str(tmp_path / "nothing"))
