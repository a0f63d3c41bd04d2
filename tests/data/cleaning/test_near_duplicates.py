"""Near duplicates against the exact Jaccard similarity of all pairs."""

import random

import numpy as np

from medft.data.cleaning.near_duplicates import THRESHOLD, Signatures, shingles


def edited(words, share, draw):
    return [draw.choice("abcdefgh") * 5 if draw.random() < share else word for word in words]


def corpus():
    """60 texts and edited copies of each, from hardly to heavily edited."""
    draw = random.Random(0)
    texts = []
    for n in range(60):
        words = [f"w{draw.randrange(400)}" for _ in range(draw.randrange(30, 200))]
        texts += [words, edited(words, 0.002 * (n % 20), draw), [f"other{n}x{i}" for i in range(50)]]
    return texts


def jaccard(a, b):
    one, other = set(shingles(a)), set(shingles(b))
    return len(one & other) / len(one | other)


def found(texts, rows=None):
    signatures = Signatures()
    for text in texts:
        signatures.add(text)
    rows = np.arange(len(texts)) if rows is None else rows
    left, right = signatures.pairs(rows, np.arange(len(texts), dtype=np.uint64))
    return {tuple(sorted(pair)) for pair in zip(left.tolist(), right.tolist(), strict=True)}


def test_pairs_are_those_of_high_jaccard_similarity():
    texts = corpus()
    pairs = found(texts)
    exact = {(i, j): jaccard(texts[i], texts[j]) for i in range(len(texts)) for j in range(i)}
    surely = {tuple(sorted(pair)) for pair, value in exact.items() if value >= THRESHOLD + 0.12}
    surely_not = {tuple(sorted(pair)) for pair, value in exact.items() if value <= THRESHOLD - 0.16}
    assert len(surely) >= 10
    assert surely <= pairs
    assert not pairs & surely_not


def test_texts_without_words_and_rows_not_asked_for_are_in_no_pair():
    same = [f"w{i}" for i in range(20)]
    assert found([[], [], same, same, same]) == {(2, 3), (3, 4), (2, 4)}
    assert found([same, same, same], rows=np.array([0, 2])) == {(0, 2)}
    assert found([[], []]) == set()


def test_signatures_are_the_same_in_every_process():
    signatures = Signatures()
    signatures.add(["one", "two", "three", "four", "five", "six", "seven"])
    signatures.sign()
    assert signatures._values[:3].tolist() == [n % 2**16 for n in (3614405370, 3550272288, 295946382)]


def test_more_rows_than_a_batch():
    texts = [[f"t{n}w{i}" for i in range(8)] for n in range(1500)]
    assert found(texts + texts[:1]) == {(0, 1500)}
