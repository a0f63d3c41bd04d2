"""The streaming merge against peft's merge_and_unload, bit for bit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from medft.errors import MergeError
from medft.files import read_json
from medft.merge.checkpoint import Checkpoint
from medft.merge.inputs import Inputs
from medft.merge.logits import Questions
from medft.merge.verify import examine
from tests.merge.small import FAMILIES, NEAREST, PROJECTIONS, peft_merge, quantise, write_merge

Bases = Callable[..., Path]
Adapters = Callable[..., Path]

VARIANTS: dict[str, dict[str, Any]] = {
    "lora": {},
    "rslora": {"use_rslora": True, "lora_alpha": 7},
    "dora": {"use_dora": True},
    "patterns": {"rank_pattern": {"q_proj": 4, "layers.1.mlp.up_proj": 3}, "alpha_pattern": {".*k_proj": 5}},
    "rank256": {"r": 256, "lora_alpha": 33},
    "rank256_dora": {"r": 256, "lora_alpha": 33, "use_dora": True, "use_rslora": True},
}


def same_tensors(left: Path, right: Path) -> None:
    import torch

    one, other = Checkpoint(left), Checkpoint(right)
    assert one.entries.keys() == other.entries.keys()
    for name in one.entries:
        assert torch.equal(one.read(name), other.read(name)), name
        assert one.entries[name].dtype == other.entries[name].dtype


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_equals_peft_to_the_byte(
    bases: Bases, adapters: Adapters, tmp_path: Path, family: str, dtype: str
) -> None:
    base = bases(family, dtype)
    adapter = adapters(base)
    write_merge(base, adapter, tmp_path / "ours")
    theirs = peft_merge(base, adapter, tmp_path / "theirs", save_as=dtype)
    ours = tmp_path / "ours"
    assert (ours / "model.safetensors").read_bytes() == (theirs / "model.safetensors").read_bytes()


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_equal_peft(bases: Bases, adapters: Adapters, tmp_path: Path, variant: str) -> None:
    base = bases("mistral", "bfloat16")
    adapter = adapters(base, **VARIANTS[variant])
    write_merge(base, adapter, tmp_path / "ours")
    same_tensors(tmp_path / "ours", peft_merge(base, adapter, tmp_path / "theirs"))


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": [*PROJECTIONS, "embed_tokens", "lm_head"]},
        {"modules_to_save": ["lm_head", "embed_tokens", "norm"]},
    ],
)
def test_embeddings_and_trained_modules_equal_peft(
    bases: Bases, adapters: Adapters, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """peft rounds an embedding's change before adding it: its float32 merge is the reference."""
    base = bases("llama2", "bfloat16")
    adapter = adapters(base, **settings)
    write_merge(base, adapter, tmp_path / "ours")
    same_tensors(tmp_path / "ours", peft_merge(base, adapter, tmp_path / "theirs", load_as="float32"))


def test_a_4bit_base_is_dequantised_as_transformers_does(
    bases: Bases, adapters: Adapters, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = bases("mistral")
    nf4, adapter = quantise(base, tmp_path / "nf4"), adapters(base)
    report = write_merge(nf4, adapter, tmp_path / "ours")
    model = AutoModelForCausalLM.from_pretrained(nf4, dtype="auto").dequantize().to(torch.bfloat16)
    theirs = PeftModel.from_pretrained(model, adapter).merge_and_unload().state_dict()
    ours = load_file(tmp_path / "ours" / "model.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    assert report.base_kind == "dequantised-nf4"
    assert "quantization_config" not in read_json(tmp_path / "ours" / "config.json")
    inputs = Inputs(nf4, adapter, trained_on=nf4, merging=NEAREST)
    examined = examine(inputs, tmp_path / "ours", Questions([([1, 5, 6], [-100, 5, 6])]))
    assert examined.logits.written is not None and examined.logits.written.relative == 0


def test_a_float32_base_is_rounded_once_to_bfloat16(bases: Bases, adapters: Adapters, tmp_path: Path) -> None:
    base = bases("llama2", "float32")
    adapter = adapters(base)
    write_merge(base, adapter, tmp_path / "ours")
    same_tensors(tmp_path / "ours", peft_merge(base, adapter, tmp_path / "theirs", load_as="float32"))
    assert read_json(tmp_path / "ours" / "config.json")["dtype"] == "bfloat16"


def test_shards_and_files_are_what_transformers_reads(
    bases: Bases, adapters: Adapters, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base, out = bases("gemma"), tmp_path / "out"
    report = write_merge(base, adapters(base), out, (3, 7), max_shard_bytes=60_000)
    shards = sorted(out.glob("*.safetensors"))
    index = read_json(out / "model.safetensors.index.json")
    assert report.shards == len(shards) > 2
    assert all(file.stat().st_size < 60_000 + 5_000 for file in shards)
    assert index["metadata"]["total_size"] == report.bytes
    assert read_json(out / "generation_config.json")["eos_token_id"] == [2, 3, 7]
    assert not (out / "adapter_config.json").exists()
    assert AutoTokenizer.from_pretrained(out).chat_template
    model, loading = AutoModelForCausalLM.from_pretrained(out, dtype="auto", output_loading_info=True)
    assert not any(loading[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert str(model.dtype) == "torch.bfloat16"
    assert model.generation_config.eos_token_id == [2, 3, 7]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_bdlora": {"nblocks": 2}}, "cannot merge adapters with"),
        ({"init_lora_weights": "pissa"}, "rewrites the base"),
        ({"peft_type": "LOHA"}, "type LOHA"),
        ({"r": 16}, "do not match"),
        ({"use_dora": True}, "do not match"),
    ],
)
def test_an_adapter_that_is_not_covered_is_refused(
    bases: Bases, adapters: Adapters, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    base = bases("mistral")
    adapter = adapters(base)
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    refused(base, adapter, tmp_path, message)


def test_a_tied_embedding_with_an_adapter_is_refused(
    bases: Bases, adapters: Adapters, tmp_path: Path
) -> None:
    base = bases("gemma")
    adapter = adapters(base, target_modules=["q_proj", "embed_tokens"])
    refused(base, adapter, tmp_path, "also uses as its output layer")


def test_the_adapter_of_another_model_is_refused(bases: Bases, adapters: Adapters, tmp_path: Path) -> None:
    adapter = adapters(bases("gemma"))
    path = adapter / "adapter_model.safetensors"
    tensors = {name.replace("layers.1.", "layers.9."): tensor for name, tensor in load_file(path).items()}
    save_file(tensors, path)
    refused(bases("mistral"), adapter, tmp_path, "the base lacks")


def test_pickled_adapters_are_refused(bases: Bases, adapters: Adapters, tmp_path: Path) -> None:
    adapter = adapters(bases("mistral"))
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    refused(bases("mistral"), adapter, tmp_path, "pickle")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt"])
def test_pickled_bases_are_refused(bases: Bases, adapters: Adapters, tmp_path: Path, name: str) -> None:
    adapter, base = adapters(bases("mistral")), tmp_path / "base"
    base.mkdir()
    shutil.copy(bases("mistral") / "config.json", base)
    (base / name).write_bytes(b"\x80\x04.")
    refused(base, adapter, tmp_path, "pickle")


def test_an_index_cannot_lead_out_of_its_folder(bases: Bases, adapters: Adapters, tmp_path: Path) -> None:
    adapter, base = adapters(bases("mistral")), tmp_path / "base"
    base.mkdir()
    shutil.copy(bases("mistral") / "config.json", base)
    index = {"weight_map": {"model.norm.weight": "../elsewhere/model.safetensors"}}
    (base / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(base, adapter, tmp_path, "outside of its folder")


def test_a_disk_without_room_is_seen_before_anything_is_written(
    bases: Bases, adapters: Adapters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = bases("mistral")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    refused(base, adapters(base), tmp_path, r"need 64,\d+,\d+ bytes of disk, 1,000,000 are free")


def refused(base: Path, adapter: Path, tmp_path: Path, message: str) -> None:
    """An error says ``message`` before anything is written."""
    with pytest.raises(MergeError, match=message) as caught:
        write_merge(base, adapter, tmp_path / "out")
    assert caught.value.where
    assert not list((tmp_path / "out").iterdir())
