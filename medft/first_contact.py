"""``medft prepare my.csv`` and ``dataset=my.csv``: a file that nobody has described is looked at.

What its columns seem to mean is said, with two rows and the command that confirms it.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medft.data.readers.registry import READERS
from medft.errors import ConfigError
from medft.overrides import latest, literal, refuse_repeated
from medft.paths import expanded

if TYPE_CHECKING:
    from medft.data.readers.guess import Guess

VERBS = ("prepare", "plan", "train")
"""The commands that read a data set."""
BASES = {"conversation": "messages", "mcq": "mcq", "qa": "csv"}
"""The data set of conf/ whose settings a guess starts from, by task; of qa the reader's own."""
_PLAIN = re.compile(r"[^\W\d](?:[\w .-]*[\w.-])?")
_NO_TEXT = frozenset({"null", "true", "false", "nan", "inf"})
_LONGEST_NAME = 64
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class FirstContact:
    """A command line, and what to say about it."""

    overrides: list[str]
    """With a guess spelled out."""
    said: tuple[tuple[str, str], ...] = ()
    """Lines with their labels; none where nothing was guessed."""


def first_contact(verb: str, overrides: Sequence[str], data_sets: Collection[str]) -> FirstContact:
    """``overrides`` with a file in the place of a data set as the settings that it seems to need.

    Args:
        verb: the command.
        overrides: of its command line.
        data_sets: the options of the group ``dataset``, which come first.

    Raises:
        ConfigError: a word that is neither a setting nor a file; two files.
        DataError: a file in which question and answer cannot be told.
    """
    words = list(overrides)
    place = next((n for n, word in enumerate(words) if verb in VERBS and _path(word, data_sets)), None)
    if place is None:
        return FirstContact(words)
    from medft.data.examination.languages import language_of
    from medft.data.readers.guess import guess

    path = expanded(_path(words[place], data_sets))
    if not path.exists():
        raise ConfigError(
            "there is no such file",
            where=str(path),
            remedy="a file or folder; dataset=<one of medft list datasets>; or of the hub: dataset=csv "
            "dataset.reader=hub dataset.repo=<owner/name>",
        )
    given = {key: value for key, value in map(_given, words) if key}
    reader = dict(word.partition("=")[::2] for word in words).get("dataset.reader", "")
    found = guess(path, given, reader if reader in READERS else "")
    language = "" if _says_language(words, found) else language_of(_texts(found))
    spelled = list(_spelled_out(path, found, given, language))
    rest = [*words[:place], *words[place + 1 :]]
    refuse_repeated([f"dataset.path={path}", *rest])
    whole = latest([*spelled, *rest])
    said = [
        *_described(path, found, language),
        ("confirm", " ".join(["medft", verb, *map(_for_shell, whole)])),
    ]
    if verb == "prepare":
        said.append(("train", " ".join(["medft train", *map(_for_shell, latest(spelled))])))
    return FirstContact(whole, tuple(said))


def _path(word: str, data_sets: Collection[str]) -> str:
    """The path in a word that names a data set by one; else nothing."""
    key, equals, value = word.partition("=")
    name = value.strip("'\"") if key == "dataset" else word
    if word.startswith("-") or (equals and key != "dataset") or name in data_sets:
        return ""
    if "," in name and not expanded(name).exists():  # a sweep over data sets
        return ""
    known = any(reader.takes(name) for reader in READERS.values())
    return name if known or "/" in name or (name and Path(name).exists()) else ""


def _given(word: str) -> tuple[str, str | tuple[str, ...]]:
    """A column that the command line names."""
    key, _, value = word.partition("=")
    meaning = key.lstrip("+").removeprefix("dataset.columns.")
    if meaning == key.lstrip("+") or value == "null":
        return "", ""
    if value.startswith("["):
        return meaning, tuple(part.strip(" '\"") for part in value.strip("[]").split(","))
    return meaning, value.strip("'\"")


def _says_language(words: Sequence[str], found: Guess) -> bool:
    """Whether the language of the rows is known already: from the command line, or from a column."""
    return "language" in found.columns or any(word.startswith("dataset.language=") for word in words)


def _texts(found: Guess) -> list[str]:
    """What the first rows say in the columns of questions, answers and turns."""
    columns = [found.columns[name] for name in ("question", "answer", "turns") if name in found.columns]
    names = [name for column in columns for name in ((column,) if isinstance(column, str) else column)]
    return [" ".join(_shown(row.values.get(name, "")) for name in names) for row in found.rows]


def _spelled_out(path: Path, found: Guess, given: Collection[str], language: str) -> Iterator[str]:
    base = BASES[found.task]
    if found.task == "qa" and found.reader in ("jsonl", "parquet"):
        base = found.reader
    yield f"dataset={base}"
    yield f"dataset.name={_word(_name(path))}"
    yield f"dataset.path={path}"
    if language not in ("", "en"):
        yield f"dataset.language={language}"
    if found.reader != ("csv" if base == "csv" else "parquet" if base == "parquet" else "jsonl"):
        yield f"dataset.reader={found.reader}"
    if found.first_option:
        yield f"dataset.first_option={found.first_option}"
    needed = {"messages": ("turns",), "mcq": ("question", "options", "label")}.get(
        base, ("question", "answer")
    )
    for meaning, column in found.columns.items():
        if meaning in given or meaning == "explanation":
            continue
        if isinstance(column, str):
            yield f"dataset.columns.{meaning}={_word(column)}"
        else:
            yield f"dataset.columns.{meaning}=[{','.join(map(literal, column))}]"
    for meaning in needed:
        if meaning not in found.columns:
            yield f"dataset.columns.{meaning}=null"


def _name(path: Path) -> str:
    """A name for the data set: the file's, in plain letters."""
    letters = unicodedata.normalize("NFKD", path.name.split(".")[0].replace("ß", "ss"))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", plain).strip("_")[:_LONGEST_NAME] or "file"


def _word(text: str) -> str:
    """``text`` as a value that is read as text, and as this one."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT else literal(text)


def _for_shell(override: str) -> str:
    key, equals, value = override.partition("=")
    return f"{key}={shlex.quote(value)}" if equals else shlex.quote(override)


def _shown(value: object) -> str:
    if isinstance(value, list) and all(isinstance(turn, Mapping) for turn in value):
        return " / ".join(str(turn.get("content", turn.get("value", ""))) for turn in value)
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _described(path: Path, found: Guess, language: str) -> Iterator[tuple[str, str]]:
    from medft.data.cleaning.identifiers import redact

    yield "file", f"{path} ({found.reader}), columns: {', '.join(found.names)}"
    meant = {name: column for name, column in found.columns.items() if name != "explanation"}
    listed = (f"{name} = {c if isinstance(c, str) else ', '.join(c)}" for name, c in meant.items())
    more = [f"task {found.task}"] * (found.task != "qa") + [f"language {language}"] * bool(language)
    yield "guess", "; ".join([", ".join(listed), *more])
    for number, row in enumerate(found.rows[:2], 1):
        texts = []
        for column in meant.values():
            for name in (column,) if isinstance(column, str) else column:
                text = " ".join(redact(_shown(row.values.get(name, "")))[0].split())
                texts.append(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")
        yield f"row {number}", " | ".join(texts)
