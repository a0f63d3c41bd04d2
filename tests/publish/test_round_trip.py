"""What is uploaded can be used: sent to a hub, then loaded from it by plain transformers and plain peft."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from medft.models.families import copy_tokenizer
from medft.verbs.upload import UploadConfig
from medft.verbs.upload import run as upload
from tests.support.hub_client import WRITE_TOKEN, Client
from tests.support.hub_server import Hub
from tests.support.run_folder import MODELS, make_run, seal

QUESTION = [{"role": "user", "content": "What is asthma?"}]


def save_base(folder: Path) -> Any:
    """A small random Mistral with a tokenizer and its chat template."""
    import torch
    from transformers import AutoTokenizer, MistralConfig, MistralForCausalLM

    folder.mkdir()
    copy_tokenizer("mistral", folder)
    torch.manual_seed(1)
    shape = {"hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 2}
    size = len(AutoTokenizer.from_pretrained(folder))
    model = MistralForCausalLM(MistralConfig(vocab_size=size, num_hidden_layers=1, **shape))
    model.save_pretrained(folder)
    return model


def test_uploaded_weights_load_from_the_hub(
    hub: Hub, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from peft import AutoPeftModelForCausalLM, LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

    run = make_run(tmp_path / "artifacts")
    base = save_base(tmp_path / "base")
    for folder in (run.adapter, run.merged):
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "base", folder, ignore=shutil.ignore_patterns("model*", "config.json"))
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False))
    adapted.save_pretrained(run.adapter)
    settings = json.loads((run.adapter / "adapter_config.json").read_text())
    local = {**settings, "base_model_name_or_path": str(tmp_path / "base")}  # as training writes it
    (run.adapter / "adapter_config.json").write_text(json.dumps(local))
    adapted.merge_and_unload().save_pretrained(run.merged)
    seal(run)
    files = {path.name: path.read_bytes() for path in (tmp_path / "base").iterdir()}
    hub.store.add(MODELS["mistral"]["base_16bit"], files)

    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    upload(UploadConfig(repo="ward/net", artifacts=tmp_path / "artifacts"))
    upload(UploadConfig(repo="ward/both", together=True, artifacts=tmp_path / "artifacts"))
    shutil.rmtree(tmp_path / "base")
    shutil.rmtree(tmp_path / "artifacts")

    tokenizer = AutoTokenizer.from_pretrained("ward/net-adapter")
    ids = tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, return_tensors="pt")[
        "input_ids"
    ]
    merged = AutoModelForCausalLM.from_pretrained("ward/net", use_safetensors=True)
    adapter = AutoPeftModelForCausalLM.from_pretrained("ward/net-adapter")
    with torch.no_grad():
        assert torch.allclose(merged(ids).logits, adapter(ids).logits, atol=1e-5)
        with adapter.disable_adapter():
            assert not torch.allclose(merged(ids).logits, adapter(ids).logits, atol=1e-3)
        part = AutoModelForCausalLM.from_pretrained("ward/both", subfolder="merged")
        assert torch.equal(part(ids).logits, merged(ids).logits)
        plain = AutoModelForCausalLM.from_pretrained(MODELS["mistral"]["base_16bit"])
        part = PeftModel.from_pretrained(plain, "ward/both", subfolder="adapter")
        assert torch.equal(part(ids).logits, adapter(ids).logits)
    assert AutoTokenizer.from_pretrained("ward/both", subfolder="merged").chat_template
    answer = pipeline("text-generation", "ward/net")(QUESTION, max_new_tokens=4, do_sample=False)
    expected = merged.generate(ids, max_new_tokens=4, do_sample=False)[0, ids.shape[1] :]
    assert answer[0]["generated_text"][-1]["content"] == tokenizer.decode(expected, skip_special_tokens=True)
