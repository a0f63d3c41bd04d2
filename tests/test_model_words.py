"""A hub id, a folder or a GGUF file in the place of a model's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft.compose import settings
from medft.errors import ConfigError
from medft.model_words import spelled_out
from medft.sweep.grid import read_grid


@pytest.mark.parametrize(
    ("word", "base", "name"),
    [
        ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", "Qwen3-0.6B"),
        ("./my model", "./my model", "my_model"),
        ("/models/it's here/", "/models/it's here/", "it_s_here"),
        ("~/models/a", "~/models/a", "a"),
        ("files/SmolLM2.Q4_1.gguf", "files/SmolLM2.Q4_1.gguf", "SmolLM2.Q4_1"),
        ("'quoted.GGUF'", "quoted.GGUF", "quoted"),
    ],
)
def test_a_base_stands_for_the_custom_model(word: str, base: str, name: str) -> None:
    for overrides in ([f"model={word}"], ["seed=1", f"model={word}", "scale=full"]):
        model = settings("train", overrides).model
        assert (model.base, model.name) == (base, name)
    named = settings("train", [f"model={word}", "model.name=mine", "model.context_length=99"])
    assert (named.model.base, named.model.name, named.model.context_length) == (base, "mine", 99)
    assert named.run_dir.parent.name.startswith("mine-")


def test_a_folder_here_needs_no_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="unknown model 'mine'"):
        settings("train", ["model=mine"])
    (tmp_path / "mine").mkdir()
    assert settings("train", ["model=mine"]).model.base == "mine"
    (tmp_path / "mistral").mkdir()
    assert settings("train", ["model=mistral"]).model.base.startswith("unsloth/")


def test_the_record_keeps_the_words_of_the_user() -> None:
    assert settings("train", ["model=a/b"]).overrides == ("model=a/b",)


def test_a_sweep_takes_them() -> None:
    jobs = read_grid(["model=a/b,c.gguf,mistral"]).jobs()
    assert [settings("train", job).model.base for job in jobs][:2] == ["a/b", "c.gguf"]


def test_other_words_are_left_alone() -> None:
    words = ["model=mistral", "model=mistrl", "dataset=a/b", "model.base=a/b", "model=a,b", "model="]
    assert spelled_out(words, ["mistral"]) == words
