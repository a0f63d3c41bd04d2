"""Help says what is in effect, fits a screen, and unfolds what is asked for."""

from __future__ import annotations

import re

import pytest

from medft.cli import main
from medft.compose import group_options, settings
from medft.config import keys, plain
from medft.verbs.train_config import TrainConfig


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 0
    return capsys.readouterr().out


def values(text: str) -> dict[str, str]:
    """The settings of a help text."""
    part = text.partition("\nsettings")[2]
    return dict(re.findall(r"^  ([a-z_.0-9]+)=(\S*)", part, re.M))


@pytest.mark.parametrize("verb", ["train", "plan", "prepare", "evaluate"])
def test_help_is_one_screen(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = shown(capsys, verb, "--help").splitlines()
    assert len(lines) < 45 and max(map(len, lines)) <= 100
    assert f"medft {verb} --help all" in "".join(lines[-2:])


@pytest.mark.parametrize("words", [[], ["model=gemma", "trainer=fast", "trainer.epochs=2", "merge=false"]])
def test_the_values_shown_are_those_of_the_run(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    told, built = values(shown(capsys, "train", *words, "--help", "all")), plain(settings("train", words))
    assert len(told) > 100
    for key in keys(TrainConfig):
        value = built
        for part in key.split("."):
            value = value[part] if value is not None else None
        if key in ("run_dir", "overrides") or isinstance(value, dict | list) or len(str(value)) > 48:
            continue
        if value is None and key not in told:  # model.wheel.lock, of a model without model.wheel
            key = key.rpartition(".")[0]
        assert same(told[key], value), (key, told[key], value)


def same(written: str, value: object) -> bool:
    if isinstance(value, float):
        return float(written) == pytest.approx(value)
    words = {None: "null", True: "true", False: "false"}
    return written == (words[value] if isinstance(value, bool | None) else str(value).split(" ")[0])


def test_a_group_is_unfolded(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "train", "--help", "trainer")
    assert {key.split(".")[0] for key in values(out)} == {"trainer"}
    assert "trainer=smoke" in out and all(option in out for option in group_options()["trainer"])
    assert "linear | cosine | constant" in out


def test_a_word_finds_settings_by_name_meaning_or_another_tools_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert set(values(shown(capsys, "train", "--help", "warmup"))) == {"trainer.warmup_steps"}
    assert "trainer.neftune_noise_alpha" in values(shown(capsys, "train", "--help", "embeddings"))
    assert set(values(shown(capsys, "train", "--help", "lora_rank"))) == {"lora.r"}
    assert main(["train", "--help", "trainr"]) == 2
    assert "Did you mean 'trainer'?" in capsys.readouterr().err


def test_suites_and_experiments_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert "  experiment=null" in shown(capsys, "train", "--help")
    assert "  suite=[heldout,scope]" in shown(capsys, "evaluate", "--help")
    rag = values(shown(capsys, "evaluate", "suite=rag", "--help", "suite"))
    assert (rag["suite.rag.kind"], rag["suite.rag.retrieval.k"], rag["suite.rag.encoder"]) == (
        "rag",
        "1",
        "null",
    )
    assert not any(key.startswith("suite.rag.dataset.") for key in rag)


def test_help_is_a_command_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "help", "train", "lora") == shown(capsys, "train", "--help", "lora")
    assert shown(capsys, "help") == shown(capsys)
