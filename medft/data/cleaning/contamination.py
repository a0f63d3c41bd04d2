"""Rows that repeat a text of ``dataset.decontaminate``: held-out questions that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medft.data.cleaning.fingerprints import Fingerprints, fingerprint
from medft.data.cleaning.keys import words
from medft.data.record import Record
from medft.errors import DataError


class HeldOutTexts:
    """Texts that no record may repeat, as ``fingerprints`` says when one does."""

    def __init__(self, path: Path) -> None:
        """Read a UTF-8 file with one text per line.

        Raises:
            DataError: the file is missing, not UTF-8, or has no text.
        """
        texts = _lines(path)
        if not any(map(words, texts)):
            raise DataError("the file of held-out questions is empty", where=str(path))
        self._fingerprints = Fingerprints(fingerprint([(text, (), ()) for text in texts]))

    def lines_in(self, records: Sequence[Record]) -> list[int | None]:
        """For each of ``records`` the number of a line that it repeats, or None."""
        return [None if item is None else item + 1 for item in self._fingerprints.items_in(records)]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            "the file of held-out questions cannot be read as UTF-8 text",
            where=str(path),
            remedy="dataset.decontaminate=FILE, one question per line",
        ) from error
