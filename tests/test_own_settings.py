"""What is wrong with a YAML file of the user's own names the file, whichever command meets it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medft.cli import main

FAULTS = {
    "- a": "it holds no settings",
    "hello": "it holds no settings",
    "": "it has no name",
    "license: mit": "it has no name",
    "a: " + "[" * 3_000: "nested too deeply",
    "name: \xff": "not UTF-8 text",
    "name: a\n\tb: c": "it is not valid YAML",
    "context_length: 1" + "0" * 5_000: "Exceeds the limit",
}


@pytest.mark.parametrize("content", FAULTS, ids=FAULTS.values())
def test_a_file_that_cannot_be_used_is_named(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "conf" / "model" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_bytes(content.encode("latin-1"))
    assert main(["plan", "scale=tiny", "model=mine", "--config-dir", "conf"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: mine.yaml cannot be used: ") and FAULTS[content] in said
    assert f"  where: {file}" in said
    if "name" not in FAULTS[content]:
        assert main(["list", "models", "--config-dir", "conf"]) == 2
        assert str(file) in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_is_no_file_is_not_waited_for(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "conf" / "model" / "mine.yaml"
    file.parent.mkdir(parents=True)
    {"pipe": os.mkfifo, "folder": Path.mkdir, "link": lambda path: path.symlink_to(path)}[kind](file)
    for words in (["plan", "scale=tiny", "model=mine"], ["list", "models"]):
        assert main([*words, "--config-dir", "conf"]) == 2
        assert f"  where: {file}\n" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["shape: 5", "context_length: [1]", "license: {a: 1}"])
def test_a_list_names_the_file_with_an_odd_value(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "conf" / "model" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(f"name: mine\n{content}\n")
    assert main(["list", "models", "--config-dir", "conf"]) == 2
    assert str(file) in capsys.readouterr().err
