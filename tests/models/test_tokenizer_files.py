"""Files of a saved tokenizer: the base's own, in words that transformers 4 reads, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft.errors import EngineError
from medft.models.tiny import Twin
from medft.models.tokenizer import fingerprint, load, stop_ids
from medft.models.tokenizer_files import FILES, save

NEWER = {"backend": "tokenizers", "is_local": True, "local_files_only": True}
SETTINGS = "tokenizer_config.json"


@pytest.fixture
def base(tmp_path: Path, twins: Callable[[str], Twin]) -> Callable[..., Path]:
    """``base(family, key=value)``: a twin's tokenizer in a folder, with tokenizer_config.json altered."""

    def make(family: str, **changes: Any) -> Path:
        folder = tmp_path / "base"
        folder.mkdir()
        for path in twins(family).bits16.glob("*"):
            if path.suffix != ".safetensors":
                (folder / path.name).write_bytes(path.read_bytes())
        settings = json.loads((folder / SETTINGS).read_text()) | changes
        (folder / SETTINGS).write_text(json.dumps(settings))
        return folder

    return make


def settings_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / SETTINGS).read_text())
    return found


@pytest.mark.parametrize("family", ["gemma", "llama2", "mistral", "llama3_1", "qwen3"])
def test_what_is_saved_is_the_bases_own(family: str, base: Callable[..., Path], tmp_path: Path) -> None:
    given, out = base(family, **NEWER), tmp_path / "saved"
    out.mkdir()
    tokenizer = load(given)
    tokenizer("as long as this", truncation=True, max_length=2, padding="max_length")
    save(tokenizer, given, out)
    written = {path.name for path in out.iterdir()}
    assert "tokenizer.json" in written <= set(FILES)
    for name in written - {SETTINGS, "special_tokens_map.json"}:
        assert (out / name).read_bytes() == (given / name).read_bytes()
    before, after = settings_of(given), settings_of(out)
    differing = {key for key in before.keys() | after if before.get(key) != after.get(key)}
    assert differing - {"pad_token", "tokenizer_class"} == set(NEWER)
    assert after["tokenizer_class"] != "TokenizersBackend"
    again = load(out)
    assert fingerprint(again) == fingerprint(tokenizer)
    assert again.pad_token_id == tokenizer.pad_token_id
    assert again.pad_token_id not in stop_ids(again, given)


def test_nothing_is_written_anew_where_nothing_must_change(base: Callable[..., Path], tmp_path: Path) -> None:
    given, out = base("llama3_1", tokenizer_class="PreTrainedTokenizerFast"), tmp_path / "saved"
    out.mkdir()
    settings = {key: value for key, value in settings_of(given).items() if key not in NEWER}
    (given / SETTINGS).write_text(json.dumps(settings, indent=7))
    save(load(given), given, out)
    assert (out / SETTINGS).read_bytes() == (given / SETTINGS).read_bytes()


@pytest.mark.parametrize("family", ["mistral", "llama3_1"])
def test_a_chat_template_of_ones_own_travels(family: str, base: Callable[..., Path], tmp_path: Path) -> None:
    given, out = base(family), tmp_path / "saved"
    out.mkdir()
    tokenizer = load(given)
    tokenizer.chat_template = f"{{# of a ward #}}{tokenizer.chat_template}"
    save(tokenizer, given, out)
    assert load(out).chat_template == tokenizer.chat_template
    assert "chat_template" not in settings_of(out)


def test_files_that_give_other_tokens_are_refused(base: Callable[..., Path], tmp_path: Path) -> None:
    given, out = base("mistral"), tmp_path / "saved"
    out.mkdir()
    tokenizer = load(given)
    path = given / "tokenizer.json"
    rules = json.loads(path.read_text())
    rules["normalizer"] = {"type": "Lowercase"}
    path.write_text(json.dumps(rules))
    with pytest.raises(EngineError, match="do not give the tokens"):
        save(tokenizer, given, out)
