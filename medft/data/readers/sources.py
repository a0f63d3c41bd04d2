"""The settings of a data set -> its rows: files found and read in order, or a hub repository."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medft import paths
from medft.data.config import DatasetConfig
from medft.data.readers.registry import HUB, READERS, files_in
from medft.data.readers.rows import SPLIT_SYNONYMS, RowError, SourceRow, SourceRows
from medft.errors import DataError

SAMPLES = "samples:"


def read_rows(config: DatasetConfig) -> SourceRows:
    """All rows of one data set that is not a mixture.

    Raises:
        DataError: the source as a whole is missing, empty or of another format.
        HubError: the hub cannot be reached or refuses.
    """
    if config.reader == HUB:
        from medft.data.readers import hub

        rows = hub.read(config)
    else:
        rows = _read_files(config)
    return _apply_pattern(rows, re.compile(config.pattern, re.DOTALL)) if config.pattern else rows


def files_of(config: DatasetConfig) -> list[Path]:
    """The files that ``path`` means, sorted.

    Raises:
        DataError: there are none, or one of them is empty.
    """
    path = _resolve(config)
    files, reader = [path], READERS[config.reader or ""]
    remedy = config.obtain or "check dataset.path"
    if path.is_dir():
        files = [file for file in files_in(path) if reader.takes(file.name)]
    if not files or not path.exists():
        where = str(path) + (f" (no {' or '.join(reader.suffixes)} file in it)" if path.is_dir() else "")
        what = f"the folder of data set '{config.name}' has no file that its reader takes"
        if not path.exists():
            what = f"the file or folder of data set '{config.name}' does not exist"
        raise DataError(what, where=where, remedy=remedy)
    for file in files:
        demand_regular(file)
        if file.stat().st_size == 0:
            raise DataError("the file is empty", where=str(file), remedy=remedy)
    return files


def demand_regular(file: Path) -> None:
    """Refuse what can be read only once, or never ends: data are read twice, to know them again.

    Raises:
        DataError: it is a pipe, a device or a socket.
    """
    if file.exists() and not file.is_file():
        raise DataError(
            "this is a pipe or a device, which medft cannot read twice",
            where=str(file),
            remedy="save its output to a file and use that",
        )


def _read_files(config: DatasetConfig) -> SourceRows:
    read, files = READERS[config.reader or ""].read, files_of(config)
    splits = splits_by_name(files)
    for path in files:
        split = splits.get(path, "")
        for item in read(path):
            yield replace(item, split=split) if split and isinstance(item, SourceRow) else item


def splits_by_name(files: Sequence[Path]) -> dict[Path, str]:
    """The splits that names of several files say: each as a whole, or by one of its words where all files
    do or one is train. A blood test beside others is no split."""
    splits: dict[Path, str] = {}
    for file in files if len(files) > 1 else ():
        words = re.split(r"[^a-z]+", file.stem.lower())
        if split := next((SPLIT_SYNONYMS[word] for word in words if word in SPLIT_SYNONYMS), ""):
            splits[file] = split
    by_word = "train" in splits.values() or len(splits) == len(files)
    whole = (file for file in splits if file.name.partition(".")[0].lower() in SPLIT_SYNONYMS)
    return splits if by_word else {file: splits[file] for file in whole}


def _resolve(config: DatasetConfig) -> Path:
    if config.path is None:
        raise DataError(
            f"data set '{config.name}' needs a file", remedy=config.obtain or "dataset.path=<file or folder>"
        )
    text = str(config.path)
    return paths.samples_dir() / text.removeprefix(SAMPLES) if text.startswith(SAMPLES) else config.path


def _apply_pattern(rows: SourceRows, pattern: re.Pattern[str]) -> SourceRows:
    for item in rows:
        if isinstance(item, RowError):
            yield item
        elif match := pattern.search(str(item.values.get("text") or "")):
            yield replace(item, values={**item.values, **match.groupdict()})
        else:
            what = "dataset.pattern does not match the text"
            remedy = "adapt dataset.pattern to your lines, or dataset.on_error=skip"
            yield RowError("pattern_mismatch", what, where=item.place, remedy=remedy)
