from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pandas as pd
import pytest
import torch
from sentencepiece import SentencePieceProcessor
from tokenizers import Regex, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from medft.errors import EngineError
from medft.models import gguf as reading
from medft.models.folder import check_checkpoint
from medft.models.gguf_tokenizer import tokenizer
from medft.models.tokenizer import stop_ids
from medft.paths import conf_dir
from tests.support import gguf_converter
from tests.support import gguf_file as small

Q8_0 = gguf.GGMLQuantizationType.Q8_0


def _words(digits: str) -> Any:
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + digits
        + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )  # fmt: skip
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), plain])


GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
PRES = {
    "gpt-2": GPT2,
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), GPT2]),
    "llama-bpe": _words("{1,3}"),
    "qwen2": _words(""),
}
"""As the tokenizer.json of GPT-2, SmolLM2, Llama 3 and Qwen2 have them."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path / "cache" / "medft"
    reading._digest.cache_clear()


def _file(
    path: Path, architecture: str = "llama", pre: str = "smollm", **settings: Any
) -> tuple[Path, Any, Any]:
    """A GGUF file, the model and the tokenizer that it was made from."""
    written = {key: settings.pop(key) for key in ("more", "kind", "architecture_name") if key in settings}
    known = small.words(PRES[pre])
    made = small.model(architecture, len(known), **settings)
    if "architecture_name" in written:
        written["architecture"] = written.pop("architecture_name")
    return small.write(path / "small.gguf", made, known, pre=pre, **written), made, known


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
def test_a_model_comes_back_as_it_was(tmp_path: Path, architecture: str, tied: bool) -> None:
    file, made, known = _file(tmp_path, architecture, tie_word_embeddings=tied)
    folder = reading.folder_of(file)
    check_checkpoint(folder)
    back = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    before, after = made.state_dict(), back.state_dict()
    assert before.keys() == after.keys()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    assert type(back) is type(made)
    assert back.config.tie_word_embeddings is tied
    assert (back.get_output_embeddings().weight is back.get_input_embeddings().weight) is tied
    for key in ("rms_norm_eps", "rope_parameters", "max_position_embeddings", "num_key_value_heads"):
        assert getattr(back.config, key) == getattr(made.config, key), key
    ids = torch.tensor([known(small.TEXTS[0]).input_ids])
    with torch.no_grad():
        assert torch.equal(made.eval()(ids).logits, back(ids).logits)


def test_quantised_weights_are_what_gguf_itself_makes_of_them(tmp_path: Path) -> None:
    file, made, _ = _file(tmp_path, kind=Q8_0)
    back = AutoModelForCausalLM.from_pretrained(reading.folder_of(file), dtype=torch.float32).state_dict()
    for name, weight in made.state_dict().items():
        if weight.ndim == 2:
            numbers = gguf.dequantize(gguf.quantize(weight.numpy(), Q8_0), Q8_0)
            assert torch.equal(back[name], torch.from_numpy(numbers).to(torch.bfloat16).float()), name
    types = reading.record(reading.folder_of(file))["types"]
    assert types["attn_q.weight"] == "Q8_0"
    assert types["attn_norm.weight"] == "F32"


@pytest.mark.parametrize("pre", PRES)
def test_text_is_split_as_the_model_splits_it(tmp_path: Path, pre: str) -> None:
    file, _, known = _file(tmp_path, pre=pre)
    back = AutoTokenizer.from_pretrained(reading.folder_of(file))
    for text in (*small.TEXTS, "a<|im_end|>b", "1234567 12 a1b22"):
        assert back(text).input_ids == known(text).input_ids, text
        assert back.decode(back(text).input_ids) == text
    chat = [{"role": "user", "content": "What is asthma?"}]
    assert back.apply_chat_template(chat, tokenize=False) == known.apply_chat_template(chat, tokenize=False)


@pytest.mark.parametrize("family", ["llama2", "mistral", "gemma"])
def test_scores_take_the_place_of_merges(family: str, tmp_path: Path) -> None:
    folder = conf_dir() / "family" / family
    gguf_converter.main(folder, str(tmp_path / "words.gguf"), "f32")
    reader = gguf.GGUFReader(tmp_path / "words.gguf")
    fields = {name: field.contents() for name, field in reader.fields.items()}
    back = tokenizer({**fields, "tokenizer.ggml.add_space_prefix": False})
    known = AutoTokenizer.from_pretrained(folder)
    for text in (f"{known.bos_token}{text}" for text in (*small.TEXTS, "a    b\n\n\n        c\x00")):
        ids = known(text, add_special_tokens=False).input_ids
        assert back(text, add_special_tokens=False).input_ids == ids, text
        assert back.decode(ids) == text


@pytest.mark.skipif("MEDFT_REAL_DATA" not in os.environ, reason="NOT TESTED: MEDFT_REAL_DATA names no folder")
def test_a_real_sentencepiece_model_splits_alike(tmp_path: Path) -> None:
    """A tokenizer.model by SentencePiece itself, on texts with runs of blanks and other scripts."""
    file = next(Path(os.environ["MEDFT_REAL_DATA"]).glob("tokenizers/*tokenizer.model"))
    (tmp_path / "tokenizer.model").symlink_to(file)
    settings = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    gguf_converter.main(tmp_path, str(tmp_path / "words.gguf"), "f32", "template")
    reader = gguf.GGUFReader(tmp_path / "words.gguf")
    back = tokenizer({name: field.contents() for name, field in reader.fields.items()})
    reference = SentencePieceProcessor(model_file=str(file))
    rows = pd.read_csv(Path(os.environ["MEDFT_REAL_DATA"]) / "medquad.csv").dropna()
    for text in (*small.TEXTS, *rows.iloc[:300, 1]):
        assert back(text, add_special_tokens=False).input_ids == reference.encode(text), text[:80]


def test_stop_first_and_pad_are_the_files_own(tmp_path: Path) -> None:
    file, _, known = _file(tmp_path)
    folder = reading.folder_of(file)
    back = AutoTokenizer.from_pretrained(folder)
    assert (back.bos_token, back.eos_token) == ("<|im_start|>", "<|im_end|>")
    assert (back.unk_token, back.pad_token) == ("<|endoftext|>", "<|im_end|>")
    assert stop_ids(back, folder) == (known.eos_token_id,)
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    assert loaded.generation_config.eos_token_id == loaded.config.eos_token_id == known.eos_token_id
    assert loaded.config.bos_token_id == known.bos_token_id


def test_a_second_stop_of_the_file_stops_too(tmp_path: Path) -> None:
    file, _, known = _file(tmp_path, more=lambda writer: writer.add_eot_token_id(0))
    folder = reading.folder_of(file)
    assert stop_ids(AutoTokenizer.from_pretrained(folder), folder) == (0, known.eos_token_id)


def test_the_first_token_is_put_there_only_where_the_file_says_so(tmp_path: Path) -> None:
    file, _, known = _file(tmp_path, more=lambda writer: writer.kv_data[0].update(_begin(writer)))
    back = AutoTokenizer.from_pretrained(reading.folder_of(file))
    assert back("asthma").input_ids == [known.bos_token_id, *known("asthma").input_ids]


def _begin(writer: gguf.GGUFWriter) -> dict[str, Any]:
    key = gguf.Keys.Tokenizer.ADD_BOS
    return {key: gguf.gguf_writer.GGUFValue(True, gguf.GGUFValueType.BOOL)}


SCALINGS: dict[str, dict[str, Any]] = {
    "linear": {"rope_type": "linear", "factor": 4.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128},
    "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 8192},
}  # fmt: skip


@pytest.mark.parametrize("kind", SCALINGS)
def test_scaled_positions_are_kept(tmp_path: Path, kind: str) -> None:
    rope = {"rope_theta": 500000.0, **SCALINGS[kind]}
    file, made, _ = _file(tmp_path, rope_parameters=rope, more=_scaling(kind))
    back = AutoModelForCausalLM.from_pretrained(reading.folder_of(file), dtype=torch.float32)
    assert back.config.rope_parameters == rope
    plain = small.model("llama", 320, rope_parameters={"rope_type": "default", "rope_theta": 500000.0})
    rotary = [each.model.rotary_emb.inv_freq for each in (made, back, plain)]
    assert torch.equal(rotary[0], rotary[1])
    assert not torch.equal(rotary[0], rotary[2])


def _scaling(kind: str, doubled: bool = False) -> Callable[[gguf.GGUFWriter], None]:
    def more(writer: gguf.GGUFWriter) -> None:
        if kind == "llama3":
            made = small.model("llama", 320, rope_parameters={"rope_theta": 500000.0, **SCALINGS[kind]})
            plain = 1 / 500000.0 ** (torch.arange(0, small.HEAD, 2) / small.HEAD)
            divisors = (plain / made.model.rotary_emb.inv_freq).float().numpy()
            if doubled:
                divisors *= np.arange(len(divisors), dtype=np.float32)
            writer.add_tensor("rope_freqs.weight", divisors)
        else:
            writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
            writer.add_rope_scaling_factor(4.0)
        if kind == "yarn":
            writer.add_rope_scaling_orig_ctx_len(128)

    return more


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another architecture": ({"architecture_name": "mistral"}, "architecture 'mistral'"),
    "a family that is not read": ({"architecture_name": "gemma"}, "architecture 'gemma'"),
    "an unknown setting": ({"more": lambda w: w.add_uint32("llama.rope.new", 3)}, "rope.new"),
    "another scaling": (
        {"more": lambda w: w.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)}, "'longrope'"),
    "foreign frequencies": ({"more": _scaling("llama3", doubled=True)}, "not the scaling of Llama 3"),
    "a tensor too many": (
        {"more": lambda w: w.add_tensor("blk.0.attn_q.bias", np.ones(128, np.float32))}, "blk.0.attn_q.bias"),
    "a part of a file": ({"more": lambda w: w.add_uint16("split.count", 2)}, "one part"),
    "an adapter": ({"more": lambda w: w.add_type("adapter")}, "contains no model: adapter"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_faithfully_is_refused_by_name(tmp_path: Path, cache: Path, what: str) -> None:
    settings, words = REFUSED[what]
    with pytest.raises(EngineError, match=words) as refused:
        reading.folder_of(_file(tmp_path, **settings)[0])
    assert "small.gguf" in refused.value.where
    assert not list((cache / "gguf").glob("small*"))


def test_an_unknown_way_to_split_text_is_refused(tmp_path: Path) -> None:
    known = small.words(PRES["gpt-2"])
    file = small.write(tmp_path / "a.gguf", small.model("llama", len(known)), known, pre="gpt-9")
    with pytest.raises(EngineError, match="splits text as 'gpt-9'"):
        reading.folder_of(file)


@pytest.mark.parametrize("harm", ["cut", "cut early", "no gguf", "empty"])
def test_a_damaged_file_gives_one_message(tmp_path: Path, cache: Path, harm: str) -> None:
    file, *_ = _file(tmp_path)
    whole = file.read_bytes()
    parts = {"cut": whole[:-5000], "cut early": whole[:900], "no gguf": b"PK\x03\x04" * 99, "empty": b""}
    file.write_bytes(parts[harm])
    with pytest.raises(EngineError, match=r"damaged or not a GGUF file") as refused:
        reading.folder_of(file)
    assert "fetch it again" in refused.value.remedy
    assert not list((cache / "gguf").glob("small*"))


def test_there_must_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="there is no file"):
        reading.folder_of(tmp_path / "none.gguf")


def test_a_file_is_converted_once_and_known_by_its_content(tmp_path: Path) -> None:
    file, *_ = _file(tmp_path)
    folder = reading.folder_of(file)
    made = (folder / "config.json").stat().st_mtime_ns
    assert reading.folder_of(file) == folder
    assert (folder / "config.json").stat().st_mtime_ns == made
    other, *_ = _file(tmp_path, rms_norm_eps=1e-6)
    assert reading.folder_of(other) != folder
    noted = reading.record(folder)
    assert noted is not None
    assert noted["file"] == "small.gguf"
    assert len(noted["sha256"]) == 64
    assert noted["architecture"] == "llama"
    assert reading.describe(folder) == "small.gguf (GGUF, not quantised), dequantised"
    assert reading.describe(tmp_path) is None
    assert noted["sha256"] != hashlib.sha256(other.read_bytes()).hexdigest()


def test_large_weights_come_in_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_SHARD", "300KB")
    file, made, _ = _file(tmp_path)
    folder = reading.folder_of(file)
    assert len(list(folder.glob("*.safetensors"))) > 1
    check_checkpoint(folder)
    back = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict()
    assert all(torch.equal(weight, back[name]) for name, weight in made.state_dict().items())
