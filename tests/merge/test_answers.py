"""Where the models that are compared stand: all on one device, or nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from medft.merge import answers
from medft.merge.answers import NoRoomError, Place, load, place_for

GB = 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Merged weights that say they are an 8B model in 16 bits: 16.06 GB, mostly a hole in the file."""
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(16_060_000_000)
    return tmp_path


@pytest.mark.parametrize(
    ("gpu", "host", "expected"),
    [
        (149, 64, ("cuda:0", torch.float32)),
        (24, 64, ("cuda:0", torch.bfloat16)),
        (15, 64, ("cpu", torch.float32)),  # never some of the layers on the one and some on the other
        (15, 26, ("cpu", torch.bfloat16)),
        (None, 64, ("cpu", torch.float32)),
        (None, 26, ("cpu", torch.bfloat16)),
    ],
)
def test_all_models_stand_on_one_device(
    folder: Path, monkeypatch: pytest.MonkeyPatch, gpu: int | None, host: int,
    expected: tuple[str, torch.dtype],
) -> None:  # fmt: skip
    free = {"cuda:0": gpu * GB} if gpu else {}
    monkeypatch.setattr(answers, "_free", lambda: {**free, "cpu": host * GB})
    found = place_for(folder, torch.bfloat16)
    assert (found.device, found.dtype) == expected


def test_where_they_fit_nowhere_the_reason_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_free", lambda: {"cuda:0": 15 * GB, "cpu": 11 * GB})
    with pytest.raises(NoRoomError) as error:
        place_for(folder, torch.bfloat16)
    assert "needs 20.1 GB of memory, and cuda:0 has 15.0 GB and cpu has 11.0 GB free" in error.value.what


def test_peft_finds_no_map_by_which_it_would_move_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine with a GPU, whose merge check runs on the processor."""
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=32, **sizes)).save_pretrained(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    model = load(tmp_path, Place("cpu", torch.float32))
    assert model.device == torch.device("cpu")
    assert not hasattr(model, "hf_device_map")
