"""The table of readers, and the recipe "add a reader" of CONTRIBUTING.md followed to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft.cli import main
from medft.data.readers.registry import HUB, READERS, FileReader
from medft.data.readers.rows import RowError, SourceRow, SourceRows
from medft.data.readers.utf8 import read_lines
from medft.errors import ConfigError
from tests.data.support import dataset, everything, prepared, write

NO_TOKENIZER = ("model=custom", "model.base=nobody/nothing")


def read_cards(path: Path) -> SourceRows:
    """Index cards: `question :: answer` on each line."""
    for number, line in enumerate(read_lines(path), 1):
        question, mark, answer = line.strip().partition(" :: ")
        place = f"{path}:{number}"
        if mark:
            yield SourceRow(place, {"question": question, "answer": answer})
        else:
            yield RowError("no_answer_mark", "the card has no ' :: '", where=place)


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of cards, and the reader that a contributor would register for them."""
    monkeypatch.setitem(READERS, "cards", FileReader(read_cards, (".cards",)))
    folder = tmp_path / "cards"
    folder.mkdir()
    lines = [f"What is disease {n}? :: An illness of organ {n}, treated by rest.\n" for n in range(20)]
    write(folder / "train.cards", "".join(lines[:15]))
    write(folder / "test.cards", "".join(lines[15:]))
    write(folder / "notes.txt", "no cards here")
    return folder


def test_a_registered_reader_is_a_setting_and_prepares_its_files(cards: Path, tmp_path: Path) -> None:
    splits = everything(prepared(dataset("cards", cards), tmp_path))
    assert {record.question for record in splits["test"]} == {f"What is disease {n}?" for n in range(15, 20)}
    assert len(splits["train"]) + len(splits["validation"]) == 15


def test_a_registered_reader_is_reached_from_the_command_line(
    cards: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(cards / "train.cards", "no mark\nWhat is gout? :: An inflammation of the joints.\n")
    where = [f"artifacts={tmp_path / 'a'}", f"processed={tmp_path / 'p'}"]
    asked = ["dataset=csv", "dataset.reader=cards", f"dataset.path={cards}"]
    assert main(["prepare", *asked, *NO_TOKENIZER, *where]) == 1
    assert f"{cards / 'train.cards'}:1" in capfd.readouterr().err, "a bad row is named by file and line"
    assert main(["prepare", *asked, *NO_TOKENIZER, *where, "dataset.on_error=skip"]) == 0
    assert " 7 in -> " in capfd.readouterr().out


def test_an_unknown_reader_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError) as error:
        dataset("parket")
    assert error.value.what == "'dataset.reader' cannot be 'parket'. Did you mean 'parquet'?"
    assert error.value.remedy == f"choose one of: {', '.join([*READERS, HUB])}"
