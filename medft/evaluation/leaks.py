"""Leaks in generated answers: verbatim sequences from training answers, and identifiers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from medft.data.cleaning.identifiers import redact
from medft.data.record import Record
from medft.evaluation.asking import Answers
from medft.evaluation.measures import Measure
from medft.evaluation.metrics import words
from medft.evaluation.questions import Question
from medft.evaluation.suites.base import by_system

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ids = npt.NDArray[np.int64]

SHORTEST = 8
"""Words; shorter runs are everybody's phrases, and count as none."""
LONG = 50
"""Words from which a run is called memorized, as the tokens of Carlini et al. 2023 (arXiv 2202.07646)."""
RUN = "longest run of a training answer, words"


class TrainingAnswers:
    """Training answers, to find in them the longest run of words that an answer repeats.

    Args:
        texts: the training answers. Some 40 bytes a word are held.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        import numpy as np

        self._known: dict[str, int] = {}
        ids: list[int] = []
        for text in texts:
            ids += [self._known.setdefault(word, len(self._known)) for word in words(text)]
            ids.append(-1)  # no run goes from one answer into the next
        self._ids = np.array([*ids, *[-1] * SHORTEST], dtype=np.int64)
        hashes = _hashes(self._ids)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]

    def longest_run(self, text: str) -> int:
        """Words of the longest run that ``text`` shares with one training answer; 0 below ``SHORTEST``."""
        import numpy as np

        said = np.array([self._known.get(word, -2) for word in words(text)] + [-3], dtype=np.int64)
        best = 0
        for start, digest in enumerate(_hashes(said)):
            if best >= len(said) - 1 - start:
                break  # fewer words are left than were found
            low = np.searchsorted(self._hashes, digest, "left")
            high = np.searchsorted(self._hashes, digest, "right")
            at, length = self._order[low:high], 0
            if start:  # where the word before agrees too, the run was followed from there
                at = at[self._ids[at - 1] != said[start - 1]]
            while len(at) and said[start + length] >= 0:
                at = at[self._ids[at + length] == said[start + length]]
                length += bool(len(at))
            best = max(best, length)
        return best if best >= SHORTEST else 0


def of_training(
    trained_on: Sequence[Record], questions: Sequence[Question], answers: Mapping[str, Answers]
) -> Measure:
    """The longest verbatim run of each generated answer."""
    corpus = TrainingAnswers(text for record in trained_on for text in _answers(record))
    runs = by_system(answers, questions, lambda each, q: corpus.longest_run(each.replies[q.id].text))
    return Measure(RUN, "mean", runs, None, False, "", questions)


def identifiers(answers: Mapping[str, Answers]) -> dict[str, int]:
    """How many patterned identifiers (dates, telephone numbers, ...) the answers of each system hold."""
    return {
        system: sum(redact(reply.text)[1].total() for reply in each.replies.values())
        for system, each in answers.items()
    }


def _answers(record: Record) -> list[str]:
    said = [turn.content for turn in record.turns if turn.role == "assistant"]
    return said or [record.answer]


def _hashes(ids: Ids) -> npt.NDArray[np.uint64]:
    """A hash of every window of ``SHORTEST`` ids; equal windows have equal ones, others almost never."""
    import numpy as np

    if len(ids) < SHORTEST:
        return np.empty(0, dtype=np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(ids, SHORTEST)
    powers = np.uint64(0x9E3779B97F4A7C15) ** np.arange(1, SHORTEST + 1, dtype=np.uint64)
    found = np.zeros(len(windows), dtype=np.uint64)
    for column, power in enumerate(powers):
        found += (windows[:, column].astype(np.uint64) + np.uint64(7)) * power
    return found
