"""Guesses what an undescribed file contains: its format from its name and first bytes, the meaning of its
columns from their names or contents."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from medft.data.readers.guess_choice import Columns, is_several, multiple_choice, offered
from medft.data.readers.registry import READERS, files_in
from medft.data.readers.rows import RowError, SourceRow
from medft.data.readers.sources import demand_regular
from medft.data.readers.utf8 import PACKED, check_text, open_text
from medft.errors import DataError

HEAD = 100
"""Rows that are looked at."""
NAMES = {
    "turns": "messages conversations conversation dialogue dialog turns gesprach 대화",
    "question": "question frage pregunta domanda 질문 instruction prompt query anfrage patientenfrage qtext"
    " stem q problem title input asked ask",
    "options": "options choices optionen opciones",
    "context": "context kontext contexte contexto passage note document abstract contexts input",
    "answer": "answer antwort reponse respuesta risposta 답변 output response completion reply target"
    " answered a",
    "label": "label answer_idx cop correct_option correct_answer correct right gold gold_label ra"
    " final_decision losung",
    "explanation": "exp explanation rationale erklarung begrundung explication explicacion",
    "group": "group patient_id subject_id patienten_id patientennummer 환자_번호 환자번호 document_id",
    "language": "language lang sprache langue idioma",
    "split": "split",
}
"""Names of columns by meaning, the most telling first; without case and accents."""
_SQUAD = re.compile(r'"data"\s*:\s*\[\s*\{.{0,4000}?"paragraphs"\s*:\s*\[', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Guess:
    """What a file seems to hold."""

    reader: str
    """The reader of its format."""
    columns: Columns
    """Which columns seem to mean what."""
    names: tuple[str, ...]
    """All of them."""
    rows: tuple[SourceRow, ...]
    """The first rows."""
    first_option: int = 0
    """The number of the first option, of multiple choice."""

    @property
    def task(self) -> str:
        """The task that follows from the columns."""
        return "mcq" if "options" in self.columns else "conversation" if "turns" in self.columns else "qa"


def guess(path: Path, given: Columns, reader: str = "") -> Guess:
    """What the file or folder ``path`` seems to hold.

    Args:
        path: where it is.
        given: meanings that are known already.
        reader: the reader, if it is known already.

    Raises:
        DataError: its format is none that can be read, or no question and answer can be told in it.
    """
    if not path.is_dir():
        demand_regular(path)
    reader = reader or reader_of(path)
    file = path if path.is_file() else next(p for p in files_in(path) if READERS[reader].takes(p.name))
    items = list(islice(READERS[reader].read(file), HEAD))
    head = [replace(row, values=_flat(row.values)) for row in items if isinstance(row, SourceRow)]
    if not head:
        raise next(
            (item for item in items if isinstance(item, RowError)),
            DataError("the file has no readable row", where=str(file)),
        )
    _check_header([name for name in head[0].values if reader in ("csv", "xlsx")], str(file))
    for row in head:
        for value in row.values.values():
            check_text(str(value)[:1000], row.place)
    names = tuple(dict.fromkeys(name for row in head for name in row.values))
    columns, first = _columns(names, head, {**offered(names, head), **given}), 0
    if "options" in columns:
        choice = multiple_choice(columns, head, "answer" in given)
        columns, first = choice or (_without_options(columns, names, head, given), 0)
    if "turns" not in columns and not {"question"} < {*columns}:
        listed = ", ".join(f"'{name}'" for name in names[:20])
        raise DataError(
            "cannot tell which column is the question and which the answer",
            where=f"{file}; its columns are: {listed}" + (" ..." if len(names) > 20 else ""),
            remedy="name them: dataset.columns.question=... dataset.columns.answer=...",
        )
    return Guess(reader, columns, names, tuple(head), first)


def _check_header(names: Sequence[str], where: str) -> None:
    """Refuse a first line that is a row: it would be lost, and say nothing of the columns.

    Raises:
        DataError: a name is a sentence.
    """
    if any(len(name.split()) > 2 and name.rstrip().endswith((".", "?", "!", "？", "。")) for name in names):
        what = "the first line looks like a row, not like a header with column names"
        raise DataError(what, where=where, remedy="add a header line, such as question,answer")


def reader_of(path: Path) -> str:
    """The name of the reader of a file, or of the most files of a folder.

    Raises:
        DataError: there is none for it, or no file in the folder.
    """
    if path.is_dir():
        found = Counter(_by_ending(file.name) for file in files_in(path))
        del found[""]
        if not found:
            raise DataError("the folder has no readable file", where=str(path), remedy=_formats())
        first = next(p for p in files_in(path) if _by_ending(p.name) == found.most_common(1)[0][0])
        return reader_of(first)
    reader = _by_ending(path.name)
    if reader in ("jsonl", "medquad_xml"):
        with open_text(path) as file:
            return _by_content(file.read(2**14), reader)
    if not reader:
        raise DataError("the format of this file is unknown", where=str(path), remedy=_formats())
    return reader


def _by_ending(name: str) -> str:
    known = (reader for reader, how in READERS.items() if how.takes(name) and reader != "pubmedqa_json")
    return next(known, "") if name != "ori_pqal.json" else "pubmedqa_json"


def _by_content(start: str, reader: str) -> str:
    if reader == "medquad_xml":
        return "trec_xml" if re.search(r"<nlm-question", start, re.IGNORECASE) else reader
    return "squad_json" if _SQUAD.search(start) else reader


def _formats() -> str:
    endings = dict.fromkeys(ending for reader in READERS.values() for ending in reader.suffixes)
    return (
        f"readable files end in {', '.join(endings)}; most of them may also be packed ({', '.join(PACKED)})"
    )


def _columns(
    names: Sequence[str], head: Sequence[SourceRow], known: dict[str, str | tuple[str, ...]]
) -> Columns:
    """Meanings by the names of the columns, then by their contents."""
    taken = {name for column in known.values() for name in ((column,) if isinstance(column, str) else column)}
    for alike in (_is_named, _is_about):
        for meaning, words in NAMES.items():
            free = [name for name in names if name not in taken]
            column = next((n for word in words.split() for n in free if alike(_plain(n), word)), None)
            if meaning not in known and column is not None:
                known[meaning] = column
                taken.add(column)
    if "turns" in known:
        return {
            meaning: known[meaning] for meaning in known if meaning in ("turns", "group", "split", "language")
        }
    texts = {name: [str(row.values.get(name) or "") for row in head] for name in names if name not in taken}
    for meaning, measure in (("question", _asking), ("answer", _length)):
        if meaning not in known and texts:
            column = max(texts, key=lambda name: measure(texts[name]))
            if measure(texts.pop(column)) >= 0.5:
                known[meaning] = column
    return {meaning: known[meaning] for meaning in NAMES if meaning in known}


def _without_options(
    columns: Columns, names: Sequence[str], head: Sequence[SourceRow], given: Columns
) -> Columns:
    """Meanings where there are no options; none of what looked like one is the answer to another column."""
    apart = columns["options"] if "question" in columns and not isinstance(columns["options"], str) else ()
    found = _columns([name for name in names if name not in apart], head, dict(given))
    return {meaning: column for meaning, column in found.items() if meaning != "options"}


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Columns, with the texts in those that hold nested values by their dotted names."""
    flat: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and not is_several(value):
            flat |= _flat(value, f"{prefix}{name}.")
        elif not prefix or is_several(value) or isinstance(_first(value), str):
            flat[prefix + name] = value
    return flat


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else value


def _plain(name: str) -> str:
    apart = unicodedata.normalize("NFKD", name.casefold())
    kept = "".join(c for c in apart if not unicodedata.combining(c))
    return re.sub(r"[^\w]+", "_", unicodedata.normalize("NFKC", kept)).strip("_")


def _is_named(name: str, word: str) -> bool:
    return name == unicodedata.normalize("NFKC", word)


def _is_about(name: str, word: str) -> bool:
    return len(word) > 1 and (word in name.split("_") or (len(word) >= 5 and word in name))


def _asking(texts: Sequence[str]) -> float:
    return sum(text.rstrip().endswith(("?", "？")) for text in texts) / len(texts)


def _length(texts: Sequence[str]) -> float:
    """Words at the mean."""
    return sum(len(text.split()) for text in texts) / len(texts)
