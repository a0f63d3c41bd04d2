"""Words of a command line: text in any letters, and what would be ignored."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from medft.cli import main
from medft.compose import settings
from medft.errors import ConfigError
from medft.overrides import latest, readable, refuse_repeated, value_of, written

TEXTS = (
    "../u1/fragen_antworten_ÄÖ.csv", "Patienten-Frage (dt.)", "a=b.csv", "it's.csv", 'say "x".csv', "C:\\x\\",
    "x[1].csv", "#1", "50%", "a;b", "질문", "x'\\", "a\\'b", "x{y}",
)  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_text_needs_no_quotes_of_its_own(text: str) -> None:
    [word] = readable([f"dataset.columns.question={text}"])
    assert (
        settings("plan", ["scale=tiny", "dataset=csv", "dataset.path=x.csv", word]).dataset.columns.question
        == text
    )


@given(st.text(st.characters(exclude_characters="\x00$,", exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_text_is_read_as_it_is_or_refused(text: str) -> None:
    try:
        [word] = readable([f"key={text}"])
    except ConfigError as error:
        assert text[0] in "[{'\"" and error.remedy
        return
    if word != f"key={text}":  # quoted by us, so that every letter counts
        assert OverridesParser.create().parse_override(word).value() == text


@pytest.mark.parametrize("text", [*TEXTS, "007", "a b", "null"])
def test_what_is_written_is_what_is_read(text: str) -> None:
    assert value_of(["key=before", written("key", text), "keys=after"], "key") == text


@pytest.mark.parametrize(
    ("word", "value"), [("key=007", "007"), ("key=null", None), ("key=", ""), ("k=1", None)]
)
def test_the_value_of_a_word_is_its_text(word: str, value: str | None) -> None:
    assert value_of([word], "key") == value


def test_words_that_hydra_reads_stay_as_they_are() -> None:
    words = ["model=gemma", "seed=1,2", "runs=[a,b]", "x='ä b'", "~model", "+a.b=3", "--cfg", "job"]
    assert readable(words) == words
    assert readable(["-m", "seed=range(1,3)"]) == ["-m", "seed=range(1,3)"]
    assert readable(["dataset.path=${oc.env:HOME}", "--help"]) == ["dataset.path=${oc.env:HOME}", "--help"]


def test_a_file_with_a_comma_is_one_file_and_choices_of_a_sweep_are_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.csv,b.csv", "[a,b].csv"):
        Path(name).touch()
        assert readable([f"dataset.path={name}"]) == [f"dataset.path='{name}'"]
    assert readable(["-m", "dataset.path=a.csv,b.csv"])[1] == "dataset.path=a.csv,b.csv"
    assert readable(["dataset.path=c.csv,d.csv"]) == ["dataset.path=c.csv,d.csv"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["runs", "my.csv"], "'my.csv' is not a setting"),
        (["prepare", "my.csv"], "there is no such file"),
        (["plan", "dataset.path=[a"], "cannot parse the value of 'dataset.path'"),
        (["plan", "model=gemma,mistral"], "several values for 'model'"),
        (["list", "model=mistral"], "unknown setting 'model'"),
        (["list", "what=models", "family=mistral"], "unknown setting 'family'"),
        (["evaluate", "~model"], "unknown setting 'model'"),
        (["train", "family=mistral"], "unknown setting 'family'. Did you mean 'model.family'?"),
        (["plan", "model=[gemma,mistral]"], "'model' is one of conf/model/, not several"),
        (["plan", "model={}"], "'model={}' changes nothing"),
        (["plan", "template.tasks.qa={}"], "'template.tasks.qa={}' changes nothing"),
        (["train", "--cfg", "nope"], "cannot parse the command: argument --cfg/-c: invalid choice: 'nope'"),
        (["train", "run_dir=/"], "'/' cannot be the folder of a run"),
        (["train", "upload.repo=a/b/c"], "'a/b/c' is not a hub id"),
        (["train", "sweep.resume=nope"], "'sweep.resume' has no effect here"),
        (["train", "hydra/launcher=joblib"], "'hydra/launcher' has no effect without -m"),
        (["train", "merge=false", "max_shard_gb=1"], "'max_shard_gb' has no effect here"),
        (["train", "upload.private=false"], "'upload.private' has no effect here"),
        (["train", "trainer.epochs=2", "trainer.max_steps=3"], "'trainer.epochs' has no effect here"),
        (["prepare", "trainer.learning_rate=1e-4"], "'trainer.learning_rate' has no effect here"),
        (["evaluate", "top_p=0.5"], "'top_p' has no effect here"),
        (["chat", "questions=q", "answers=a", "k=2"], "'k' has no effect here"),
        (["serve", "index=dense"], "'index' has no effect here"),
        (["export", "format=ollama", "quant=f16"], "'quant' has no effect here"),
        (["upload", "repo=me/x", "what=merged", "together=true"], "'together' has no effect here"),
    ],
)
def test_what_would_be_ignored_is_refused(
    command: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {says}") and "\n  fix:   " in err


def test_a_list_is_advised_only_where_one_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    main(["plan", "model=gemma,mistral"])
    assert "model=[" not in capsys.readouterr().err
    main(["runs", "tag=a,b"])
    assert "a list: tag=[a,b]" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["limit=1", "limit=2"],
        ["+seed=1", "++seed=2"],
        ["model=gemma", "seed=1", "model=mistral"],
        ["seed=1,2", "seed=3", "-m"],
    ],
)
def test_a_setting_with_two_values_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *words]) == 2
    key = words[0].lstrip("+").partition("=")[0]
    said = capsys.readouterr().err
    assert f"'{key}' is given twice" in said and f"{words[0]} {words[-1 if words[-1] != '-m' else 1]}" in said


def test_the_same_words_twice_and_groups_that_add_up_are_none() -> None:
    words = [
        "seed=1",
        "+seed=1",
        "-m",
        "~merge",
        "dataset.columns={question: a}",
        "dataset.columns={answer: b}",
    ]
    refuse_repeated(words)
    assert latest(words) == words[1:]
    assert latest(["seed=1", "model=gemma", "seed=2"]) == ["model=gemma", "seed=2"]


@pytest.mark.parametrize(
    "words",
    [
        ["list", "folders=[/nope]", "models"],
        ["list", "what=models", "datasets"],
        ["copy", "what=model/mistral", "model/gemma", "mine"],
        ["plan", "scale=tiny", "overrides=[a]"],
    ],
)
def test_what_the_command_itself_decides_is_not_typed_in_vain(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    typed = next(word for word in words if word.partition("=")[0] in ("folders", "what", "overrides"))
    said = capsys.readouterr().err
    assert f"'{typed.partition('=')[0]}' has no effect here" in said
    assert main(["list", "what=models", "models"]) == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("run_dir=/dev/null", "this is no folder"),
        ("trainer.learning_rate=11", "'trainer.learning_rate' must be at most 10"),
        ("template.tasks.qa.default.user='{question}\x1b[2J'", "control character 0x1b"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_the_plan(
    word: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "scale=tiny", word]) == 2
    shown = capsys.readouterr().err
    assert said in shown and "\x1b" not in shown
