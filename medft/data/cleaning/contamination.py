"""Rows that repeat a text of ``dataset.decontaminate``: held-out questions that the user names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medft.data.cleaning import keys
from medft.data.record import Record
from medft.errors import DataError

CONTAMINATED = "contaminated"
GRAM = 13
"""Words in a row that two texts share only if one was copied (Brown et al. 2020, "Language models are
few-shot learners", appendix C)."""


class HeldOutTexts:
    """Texts that no record may repeat: 13 words in a row, or the whole question where they are shorter."""

    def __init__(self, path: Path) -> None:
        """Read a UTF-8 file with one text per line.

        Raises:
            DataError: the file is missing, not UTF-8, or has no text.
        """
        self._grams: dict[int, int] = {}
        self._questions: dict[int, int] = {}
        for number, line in enumerate(_lines(path), 1):
            words = keys.words(line)
            if len(words) < GRAM:
                self._questions.setdefault(keys.same_words(line), number)
            for gram in _grams(words):
                self._grams.setdefault(gram, number)
        self._questions.pop(keys.ABSENT, None)
        if not self._grams and not self._questions:
            raise DataError("the file of held-out questions has no text", where=str(path))

    def line_in(self, record: Record) -> int | None:
        """The number of a line that ``record`` repeats, or None."""
        if number := self._questions.get(keys.same_words(record.question)):
            return number
        words = keys.words(f"{keys.question_text(record)}\n{keys.answer_text(record)}")
        return next((self._grams[gram] for gram in _grams(words) if gram in self._grams), None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            "the file of held-out questions cannot be read as UTF-8 text",
            where=str(path),
            remedy="dataset.decontaminate=FILE, one question a line",
        ) from error


def _grams(words: list[str]) -> Iterator[int]:
    return (hash(tuple(words[i : i + GRAM])) for i in range(len(words) - GRAM + 1))
