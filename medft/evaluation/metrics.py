"""Metrics: of one answer against its reference, and of a list of predicted labels."""

from __future__ import annotations

import copy
import functools
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from medft.evaluation.units import Rows

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import CHRF

UNPARSABLE = "unparsable"
"""The predicted class of an answer that names no label; it is never counted as any other class."""

_WORD = re.compile(r"[^\W_]+")
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def words(text: str) -> list[str]:
    """Lower-case runs of letters and digits of any script.

    On ASCII text this is rouge-score's own tokenizer without stemming; that one drops every letter outside
    a-z, so that a Korean answer would score 0 against itself.
    """
    return _WORD.findall(text.casefold())


def rouge_l(answer: str, reference: str) -> float:
    """ROUGE-L F1 (longest common subsequence of words; Lin 2004), 0 to 1, without stemming."""
    return float(_scorer().score(reference, answer)["rougeL"].fmeasure)


def token_f1(answer: str, reference: str) -> float:
    """Overlap of words as multisets, as SQuAD scores answers (Rajpurkar et al. 2016, section 6.1):
    lower-case, without ASCII punctuation and English articles. 0 to 1; two empty texts score 1."""
    given, wanted = _squad_words(answer), _squad_words(reference)
    if not given or not wanted:
        return float(given == wanted)
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2 * common / (len(given) + len(wanted))


def chrf(answer: str, reference: str) -> float:
    """chrF2, the F-score of character n-grams up to 6 (Popovic 2015), 0 to 1: no word has to be found first,
    which suits languages whose words are inflected or glued together."""
    return float(_chrf().sentence_score(answer, [reference]).score) / 100


def repetition(answer: str, n: int = 4) -> float:
    """Share of an answer's word n-grams that are repeats: 1 - distinct / all (seq-rep-n of Welleck et al.
    2020, section 6, with n = 4). 0 for answers of fewer than n words."""
    tokens = words(answer)
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


AGAINST_REFERENCE: dict[str, Callable[[str, str], float]] = {
    "ROUGE-L": rouge_l,
    "chrF": chrf,
    "token F1": token_f1,
}
"""Metrics of a generated answer against its reference, 0 to 1 with 1 the best, as suites of kind text report
them."""


class MacroF1:
    """Unweighted mean of the F1 of each gold label, as a function of the indices of the items that count.

    A prediction outside ``labels`` is wrong for its gold label. Labels that neither occur nor are predicted
    are left out. From counts, since it is asked for once without every item.

    Args:
        gold: the label of every item. predicted: what it was taken for. labels: the classes.
    """

    def __init__(self, gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> None:
        import numpy as np

        codes = {label: i for i, label in enumerate([*labels, UNPARSABLE])}
        self._k = len(codes)
        self._cells = np.array([codes[g] * self._k + codes[p] for g, p in zip(gold, predicted, strict=True)])

    def __call__(self, rows: Rows) -> float:
        """Macro F1 of those items."""
        import numpy as np

        k = self._k
        counts = np.bincount(self._cells[rows], minlength=k * k).reshape(k, k)
        hits, total = np.diag(counts)[:-1], (counts.sum(0) + counts.sum(1))[:-1]
        present = total > 0
        return float(np.mean(2 * hits[present] / total[present]))

    def pooled(self, other: MacroF1) -> MacroF1:
        """The metric over this system's items and then another's."""
        import numpy as np

        both = copy.copy(self)
        both._cells = np.concatenate([self._cells, other._cells])
        return both


def confusion(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> list[list[int]]:
    """Counts with one row per gold label and one column per label, then one column for ``UNPARSABLE``."""
    from sklearn.metrics import confusion_matrix

    matrix = confusion_matrix(gold, predicted, labels=[*labels, UNPARSABLE])
    return [[int(count) for count in row] for row in matrix[: len(labels)]]


def majority_share(gold: Sequence[str]) -> float:
    """Accuracy of always answering the most frequent gold label."""
    return max(Counter(gold).values()) / len(gold)


class _Words:
    """rouge-score's tokenizer interface."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@functools.cache
def _scorer() -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_Words())


@functools.cache
def _chrf() -> CHRF:
    from sacrebleu.metrics import CHRF

    return CHRF()


def _squad_words(text: str) -> list[str]:
    return _ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split()
