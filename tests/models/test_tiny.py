"""Tiny twins: real checkpoints of their families, in 16 bits and in NF4, that agree with each other."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from medft.errors import DataError
from medft.models import tiny
from medft.models.tiny import Twin, twin

CLASSES = {"gemma": "Gemma", "llama2": "Llama", "mistral": "Mistral", "llama3_1": "Llama", "qwen3": "Qwen3"}
FAMILIES = tuple(CLASSES)


def load(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_both_checkpoints_load_and_agree(family: str, twins: Callable[[str], Twin]) -> None:
    import bitsandbytes
    import torch

    sixteen, four = load(twins(family).bits16), load(twins(family).nf4)
    assert type(sixteen).__name__ == type(four).__name__ == f"{CLASSES[family]}ForCausalLM"
    layers = [m for name, m in four.named_modules() if name.endswith("_proj")]
    assert len(layers) == 14
    assert all(isinstance(layer, bitsandbytes.nn.Linear4bit) for layer in layers)
    assert {layer.weight.quant_state.quant_type for layer in layers} == {"nf4"}
    assert sixteen.dtype == torch.bfloat16
    assert sixteen.config.vocab_size % 64 == 0

    ids = torch.randint(300, 2000, (2, 48), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact, quantised = sixteen(ids).logits.float(), four(ids).logits.float()
    assert exact.isfinite().all()
    assert exact.abs().max() < 100  # bfloat16 keeps two digits there
    assert 0.001 < (exact - quantised).norm() / exact.norm() < 0.25


@pytest.mark.parametrize("family", FAMILIES)
def test_files_say_what_the_families_say(family: str, twins: Callable[[str], Twin]) -> None:
    folder = twins(family).bits16
    config = json.loads((folder / "config.json").read_text())
    generation = json.loads((folder / "generation_config.json").read_text())
    assert config["tie_word_embeddings"] == (family in ("gemma", "qwen3"))
    assert config["eos_token_id"] == generation["eos_token_id"]
    assert len(generation["eos_token_id"]) == {"gemma": 2, "llama3_1": 3, "qwen3": 2}.get(family, 1)
    rope = config["rope_parameters"]
    expected = {"gemma": 1e4, "llama2": 1e4, "mistral": 1e6, "llama3_1": 5e5, "qwen3": 1e6}
    assert rope["rope_theta"] == expected[family]
    assert rope["rope_type"] == ("llama3" if family == "llama3_1" else "default")
    assert "quantization_config" not in config
    assert "quantization_config" in json.loads((twins(family).nf4 / "config.json").read_text())


def test_twins_say_that_they_are_twins(twins: Callable[[str], Twin]) -> None:
    built = twins("mistral")
    assert built.root.name.startswith("mistral-tiny-")
    assert json.loads((built.root / "tiny.json").read_text())["tiny"] is True
    for folder in (built.bits16, built.nf4):  # where a merge copies it from
        assert json.loads((folder / "config.json").read_text())[tiny.MARK] is True


def test_an_untuned_twin_repeats_the_question(twins: Callable[[str], Twin]) -> None:
    """Pre-training took hold: the habit to unlearn is far likelier than chance (ln 2048 = 7.6)."""
    import torch

    from medft.models.tokenizer import load as load_tokenizer

    model, tokenizer = load(twins("mistral").bits16), load_tokenizer(twins("mistral").bits16)
    echo = [{"role": role, "content": "What is asthma?"} for role in ("user", "assistant")]
    text = tokenizer.apply_chat_template(echo, tokenize=False)
    ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
    with torch.no_grad():
        assert model(input_ids=ids, labels=ids).loss < 3


def test_two_at_once_build_one_twin(tmp_path: Path) -> None:
    """Both get the same folder, whole. The lock is a file, so processes meet at it too."""
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        built = list(pool.map(twin, ["llama3_1"] * 2, [tmp_path] * 2))
    print(f"built in {time.monotonic() - began:.1f} s")
    assert built[0] == built[1] == twin("llama3_1", tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [built[0].root.name]
    assert load(built[0].nf4) is not None


def test_rebuilding_gives_the_same_bytes(twins: Callable[[str], Twin], tmp_path: Path) -> None:
    import torch

    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, again = twins("gemma"), twin("gemma", tmp_path)
    assert torch.equal(state, torch.get_rng_state())  # the caller's random state is its own
    names = sorted(path.relative_to(again.root) for path in again.root.rglob("*") if path.is_file())
    assert len(names) >= 13
    for name in names:
        assert (first.root / name).read_bytes() == (again.root / name).read_bytes(), name


def test_without_the_bundled_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny, "samples_dir", lambda: tmp_path)
    tiny._maker.cache_clear()
    try:
        with pytest.raises(DataError, match="bundled text"):
            twin("mistral", tmp_path / "twins")
    finally:
        tiny._maker.cache_clear()
    assert not (tmp_path / "twins").exists()
