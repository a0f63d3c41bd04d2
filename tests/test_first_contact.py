"""A file in the place of a data set is looked at and said; odd names need the shell's quotes alone."""

import csv
import json
import shlex

import pytest

from medft.cli import main
from medft.compose import settings
from medft.errors import ConfigError
from medft.first_contact import first_contact
from medft.overrides import readable
from medft.verbs.prepare import PrepareConfig

ROWS = "".join(f"{n};Was heißt Befund {n}, a@b.de?;Nichts Schlimmes, {n}.\n" for n in range(20))
ODD = "Fragen, alt [2] (ä).csv"
DATA_SETS = ("csv", "mcq", "sample")


@pytest.fixture
def odd(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "Ordner ü's" / ODD
    path.parent.mkdir()
    path.write_text(f"Nr;Patienten-Frage (dt.);Ärztliche Antwort\n{ROWS}", encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["{}", "dataset={}"])
def test_a_file_is_guessed_said_and_the_command_that_confirms_it_means_the_same(odd, form):
    met = first_contact("prepare", [form.format(odd), "scale=tiny"], DATA_SETS)
    config = settings("prepare", readable(met.overrides))
    assert isinstance(config, PrepareConfig)
    assert config.dataset.path == odd
    assert config.dataset.columns.question == "Patienten-Frage (dt.)"
    assert config.dataset.columns.answer == "Ärztliche Antwort"
    said = dict(met.said)
    assert "question = Patienten-Frage (dt.)" in said["guess"]
    assert "Befund 0, [EMAIL]" in said["row 1"] and "Befund 1" in said["row 2"]
    words = shlex.split(said["confirm"])
    assert words[:2] == ["medft", "prepare"]
    confirmed = first_contact("prepare", words[2:], DATA_SETS)
    assert not confirmed.said
    assert settings("prepare", readable(confirmed.overrides)) == config


def test_the_language_of_the_rows_is_guessed_unless_it_is_known(tmp_path):
    path = tmp_path / "Ärzte ß.jsonl"
    talk = [
        {"role": "user", "content": "Was ist eine Blinddarmentzündung, und wie wird sie behandelt?"},
        {"role": "assistant", "content": "Eine Entzündung des Wurmfortsatzes, die meist operiert wird."},
    ]
    path.write_text(f"{json.dumps({'messages': talk})}\n" * 5)
    met = first_contact("prepare", [str(path)], DATA_SETS)
    assert {"dataset.language=de", "dataset.name=Arzte_ss"} <= {*met.overrides}
    said = dict(met.said)
    assert said["guess"].endswith("language de") and "Wurmfortsatzes" not in said["row 1"]
    assert said["train"].startswith("medft train dataset=messages ")
    known = first_contact("train", [f"dataset={path}", "dataset.language=fr"], DATA_SETS)
    assert "dataset.language=de" not in known.overrides and "train" not in dict(known.said)


@pytest.mark.parametrize(
    ("name", "question", "answer"),
    [
        ("null.csv", "null", "true"), ("true.csv", "1", "2"), ("2024.csv", "1e5", "nan"),
        ("1e5.csv", "question ${x}", "answer\\"), (f"{'a' * 80}.csv", "Question: what's", "Answer, long"),
        ("x.csv", "question{x}", "answer[0]"), ("y.csv", "a\\${b}?", "a\\'b"),
    ],
)  # fmt: skip
def test_odd_names_of_files_and_columns_are_read_back_as_they_are(tmp_path, name, question, answer):
    with (tmp_path / name).open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([question, answer])
        table.writerows([f"What is {n}?", f"It is number {n} and no other."] for n in range(20))
    met = first_contact("prepare", [str(tmp_path / name)], DATA_SETS)
    command = first_contact("prepare", shlex.split(dict(met.said)["confirm"])[2:], DATA_SETS)
    for overrides in (met.overrides, command.overrides):
        config = settings("prepare", readable(overrides))
        assert isinstance(config, PrepareConfig)
        columns = config.dataset.columns
        assert {columns.question, columns.answer} == {question, answer}
        assert config.dataset.name == name.removesuffix(".csv")[:64]


def test_a_reader_that_was_named_is_the_one(tmp_path):
    path = tmp_path / "x.json"
    rows = ", ".join(f'{{"question": "What is {n}?", "answer": "It is {n} alone."}}' for n in range(9))
    path.write_text(
        f'[{{"question": "a?", "answer": "\\"data\\"", "data": [{{"paragraphs": [1]}}]}}, {rows}]'
    )
    met = first_contact("prepare", [str(path), "dataset.reader=jsonl"], DATA_SETS)
    assert "answer = answer" in dict(met.said)["guess"]


def test_what_the_command_line_says_is_no_guess(odd):
    words = [f"dataset={odd}", "dataset.columns.question=Nr", "dataset.name=mine"]
    config = settings("prepare", readable(first_contact("prepare", words, DATA_SETS).overrides))
    assert (config.dataset.columns.question, config.dataset.name) == ("Nr", "mine")


@pytest.mark.parametrize("word", ["dataset=csv", "dataset=sample", "model=gemma", "show=3", "dataset=mednly"])
def test_known_words_and_settings_are_left_alone(word):
    assert first_contact("prepare", [word], DATA_SETS).overrides == [word]


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        first_contact("prepare", [str(tmp_path / "nothing.csv")], DATA_SETS)


def test_the_command_line_prepares_it(odd, capsys):
    assert (
        main(["prepare", f"{odd.parent.name}/{ODD}", "scale=tiny", "model=custom", "model.base=nobody/x"])
        == 0
    )
    shown = capsys.readouterr().out
    assert shown.index("guess") < shown.index("confirm") < shown.index("rows")
