"""medft copy: every shipped file becomes one of the user's own, which composes under its new name."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from medft.cli import main
from medft.compose import compose, group_options, settings, with_config_dir
from medft.errors import ConfigError
from medft.verbs.copy import run


@pytest.mark.parametrize("folder", ["my_conf", "it's mine"])
def test_a_copy_is_used_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["copy", "model/mistral", folder]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    command = shlex.split(last.partition("medft train ")[2])
    assert command == ["--config-dir", folder, "model=my_mistral"]
    path = tmp_path / folder / "model" / "my_mistral.yaml"
    path.write_text(path.read_text().replace("context_length: 32768", "context_length: 4096"))
    model = settings("train", with_config_dir(command)).model
    assert (model.name, model.context_length, model.family) == ("my_mistral", 4096, "mistral")


def test_a_file_of_every_group_can_be_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = {group: options[-1] for group, options in group_options().items()}
    chosen |= {"dataset": "sample", "suite": "rag"}
    for group, option in chosen.items():
        assert main(["copy", f"{group}={option}"]) == 0
    said = capsys.readouterr().out
    assert f"medft study --config-dir my_conf study=my_{chosen['study']}" in said
    own = with_config_dir(["--config-dir", "my_conf"])
    words = [f"{group}=my_{option}" for group, option in chosen.items() if group not in ("suite", "study")]
    values = compose("train", [*own, *words])
    assert (values["dataset"]["name"], values["template"]["name"]) == (
        "my_sample",
        f"my_{chosen['template']}",
    )
    suite = compose("evaluate", [*own, "suite=[my_rag]"])["suite"]
    assert list(suite) == ["my_rag"] and suite["my_rag"]["kind"] == "rag"
    study = settings("study", [*own, f"study=my_{chosen['study']}"])
    assert study.name == f"my_{chosen['study']}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["model/mistrl"], "Did you mean 'model/mistral'?"),
        (["cook/gemma"], "choose one of: dataset, engine"),
        (["model/gemma", "name=mistral"], "is a name that medft itself uses"),
        (["model/gemma", "name=../x"], "cannot name a file"),
        (["model/gemma", "a", "b"], "one file at a time"),
    ],
)
def test_what_cannot_be_copied_is_said(
    words: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        run(settings("copy", words))
    assert expected in str(error.value)
    assert list(tmp_path.rglob("*.yaml")) == []


def test_the_name_of_a_list_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["copy", "models/gemma"]) == 0
    assert (tmp_path / "my_conf" / "model" / "my_gemma.yaml").is_file()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    words = ["copy", "model/gemma", str(tmp_path)]
    assert (main(words), main(words)) == (0, 2)
    with pytest.raises(ConfigError, match="'what' is missing"):
        settings("copy", [])
