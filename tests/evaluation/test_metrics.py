"""Metrics against independent references."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import f1_score

from medft.evaluation import metrics

LABELS = ["yes", "no", "maybe"]

WORDS = ("the", "a", "fever", "is", "caused", "by", "an", "infection", "of", "lungs,", "it", "may;", "no")


def _sentences(seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, 25))) for _ in range(60)]


def test_token_f1_equals_the_squad_metric_of_transformers() -> None:
    from transformers.data.metrics.squad_metrics import compute_f1

    for answer, reference in zip(_sentences(1), _sentences(2), strict=True):
        assert metrics.token_f1(answer, reference) == pytest.approx(compute_f1(reference, answer))


@pytest.mark.parametrize(("answer", "reference", "f1"), [("", "", 1.0), ("", "x", 0.0), ("the", "", 1.0)])
def test_token_f1_of_empty_texts(answer: str, reference: str, f1: float) -> None:
    assert metrics.token_f1(answer, reference) == f1


def test_rouge_l_equals_a_textbook_longest_common_subsequence() -> None:
    for answer, reference in zip(_sentences(3), _sentences(4), strict=True):
        a, b = metrics.words(answer), metrics.words(reference)
        common = _lcs(a, b)
        expected = 2 * common / (len(a) + len(b))
        assert metrics.rouge_l(answer, reference) == pytest.approx(expected)


def test_rouge_l_agrees_with_the_library_default_on_ascii() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    default = RougeScorer(["rougeL"])
    for answer, reference in zip(_sentences(5), _sentences(6), strict=True):
        assert metrics.rouge_l(answer, reference) == default.score(reference, answer)["rougeL"].fmeasure


def test_rouge_l_sees_korean() -> None:
    assert metrics.rouge_l("천식은 만성 폐 질환이다", "천식은 만성 폐 질환이다") == 1.0
    assert 0 < metrics.rouge_l("천식은 급성 질환이다", "천식은 만성 폐 질환이다") < 1


def test_chrf_is_popovics_formula() -> None:
    for answer, reference in zip(_sentences(7), _sentences(8), strict=True):
        given, wanted = answer.replace(" ", ""), reference.replace(" ", "")
        precisions, recalls = [], []
        for n in range(1, min(6, len(given), len(wanted)) + 1):
            a, b = (Counter(t[i : i + n] for i in range(len(t) - n + 1)) for t in (given, wanted))
            common = (a & b).total()
            precisions.append(common / a.total())
            recalls.append(common / b.total())
        p, r = np.mean(precisions), np.mean(recalls)
        expected = 5 * p * r / (4 * p + r) if p + r else 0.0
        assert metrics.chrf(answer, reference) == pytest.approx(expected)


def test_chrf_sees_parts_of_words() -> None:
    assert metrics.chrf("천식은 질환이다", "천식은 질환이다") == 1.0
    assert metrics.rouge_l("천식이", "천식은") == 0.0 < metrics.chrf("천식이", "천식은") < 1
    assert metrics.chrf("", "천식은") == 0.0


def test_repetition_counts_repeated_four_grams() -> None:
    assert metrics.repetition("one two three") == 0.0
    assert metrics.repetition("one two three four five six") == 0.0
    # "a b c d" x 3: nine 4-grams, four of them distinct
    assert metrics.repetition("k l m n " * 3) == pytest.approx(5 / 9)


def test_macro_f1_by_hand() -> None:
    gold = ["yes", "yes", "no", "no", "maybe"]
    predicted = ["yes", "no", "no", metrics.UNPARSABLE, "yes"]
    # yes: p 1/2 r 1/2 -> 1/2; no: p 1/2 r 1/2 -> 1/2; maybe: 0
    assert metrics.MacroF1(gold, predicted, LABELS)(np.arange(5)) == pytest.approx(1 / 3)


def test_macro_f1_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    gold = [str(label) for label in rng.choice(LABELS, 60)]
    said = [str(label) for label in rng.choice([*LABELS, metrics.UNPARSABLE], 60)]
    of = metrics.MacroF1(gold, said, LABELS)
    for rows in (np.arange(60), rng.integers(0, 60, 60), rng.integers(0, 3, 5)):
        g, s = [gold[i] for i in rows], [said[i] for i in rows]
        present = [label for label in LABELS if label in g or label in s]
        expected = f1_score(g, s, labels=present, average="macro", zero_division=0.0)
        assert of(rows) == pytest.approx(expected)


def test_unparsable_has_its_own_column() -> None:
    matrix = metrics.confusion(["yes", "no", "no"], ["yes", metrics.UNPARSABLE, "yes"], ["yes", "no"])
    assert matrix == [[1, 0, 0], [1, 0, 1]]


def test_majority_share() -> None:
    assert metrics.majority_share(["a", "b", "a", "c"]) == 0.5


def _lcs(a: list[str], b: list[str]) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]
