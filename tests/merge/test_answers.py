"""Where the models that are compared stand."""

from __future__ import annotations

from pathlib import Path

import torch

from medft.merge.answers import places_of


def test_a_model_in_one_place_is_followed_there(tmp_path: Path) -> None:
    """transformers keeps no map of it, and the merged weights would be loaded without one: elsewhere."""
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=32, **sizes)).save_pretrained(tmp_path)
    place = {"": torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")}
    model = AutoModelForCausalLM.from_pretrained(tmp_path, device_map="auto")
    assert places_of(model) == place
    again = AutoModelForCausalLM.from_pretrained(tmp_path, device_map=places_of(model))
    assert again.device == model.device
