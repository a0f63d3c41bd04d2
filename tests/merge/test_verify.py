"""Good merges pass, on long and short runs; planted faults do not."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from medft.errors import MergeError
from medft.merge.check import check_companions, check_tensors
from medft.merge.checkpoint import Checkpoint
from medft.merge.logits import Questions, compare
from medft.merge.stream import merge
from medft.merge.verify import TOLERANCE, examine, merge_and_verify
from tests.merge.small import FAMILIES, quantise

Bases = Callable[..., Path]
Adapters = Callable[..., Path]

QUESTIONS = Questions(
    prompts=[[1, *range(10, 30)], [1, 50, 51, 52]],
    heldout=[([1, 60, 61, 62, 2], [-100, -100, 61, 62, 2])],
)
SINGLE_STEP = 2e-4  # |B| after one step of Adam at the usual learning rate; A keeps its random start
STOPS = [2, 3]


@dataclasses.dataclass
class Merged:
    """A good merge, to be spoilt."""

    base: Path
    adapter: Path
    out: Path

    def tensors(self) -> Callable[[], object]:
        return lambda: check_tensors(self.base, self.adapter, self.out)

    def companions(self) -> Callable[[], object]:
        return lambda: check_companions(self.base, self.adapter, self.out, STOPS)


@pytest.fixture(params=[0.02, SINGLE_STEP], ids=["long", "one_step"])
def merged(request: pytest.FixtureRequest, bases: Bases, adapters: Adapters, tmp_path: Path) -> Merged:
    base = bases("llama3_1")
    adapter = adapters(base, size=request.param)
    merge(base, adapter, tmp_path / "out", stop_ids=STOPS)
    return Merged(base, adapter, tmp_path / "out")


@pytest.mark.parametrize("size", [0.02, SINGLE_STEP])
@pytest.mark.parametrize("family", FAMILIES)
def test_good_merges_pass(bases: Bases, adapters: Adapters, tmp_path: Path, family: str, size: float) -> None:
    base = bases(family)
    adapter = adapters(base, size=size)
    merge(base, adapter, tmp_path / "out", stop_ids=STOPS)
    report = examine(base, adapter, tmp_path / "out", QUESTIONS, stop_ids=STOPS)
    assert report.tensors.unchanged == ()
    assert report.logits.written.relative == 0
    assert report.logits.rounding.relative is not None
    assert 0 < report.logits.rounding.relative < (0.05 if size == 0.02 else 1.5)
    assert set(report.logits.heldout_loss) == {"base", "adapted", "merged"}


def test_a_fresh_process_judges_and_only_then_the_folder_appears(
    bases: Bases, adapters: Adapters, tmp_path: Path
) -> None:
    base = bases("gemma")
    adapter = adapters(base)
    report, verdict = merge_and_verify(
        base, adapter, tmp_path / "out", QUESTIONS, stop_ids=STOPS, quantised=quantise(base, tmp_path / "nf4")
    )
    assert json.loads(json.dumps(dataclasses.asdict(verdict)))["logits"]["written"]["relative"] == 0
    assert verdict.logits.quantised is not None
    assert verdict.logits.rounding.relative is not None and verdict.logits.quantised.relative is not None
    assert verdict.logits.rounding.relative < verdict.logits.quantised.relative
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert report.stop_ids == (2, 3)


def test_weights_that_fail_never_get_the_name(bases: Bases, adapters: Adapters, tmp_path: Path) -> None:
    base = bases("mistral")
    adapter = adapters(base)
    for name in ("chat_template.jinja",):
        (adapter / name).unlink()
    with pytest.raises(MergeError, match="chat template"):
        merge_and_verify(base, adapter, tmp_path / "out", QUESTIONS)
    assert not list(tmp_path.glob("*out*"))


def test_a_truncated_shard(merged: Merged) -> None:
    file = merged.out / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(MergeError, match="header promises"):
        merged.tensors()()


def test_flipped_bits(merged: Merged) -> None:
    entry = Checkpoint(merged.out).entries["model.layers.1.mlp.up_proj.weight"]
    with entry.file.open("r+b") as file:
        file.seek(entry.begin + 500)
        byte = file.read(1)[0]
        file.seek(entry.begin + 500)
        file.write(bytes([byte ^ 0b100]))
    with pytest.raises(MergeError, match=r"layers\.1\.mlp\.up_proj\.weight is not base \+ adapter"):
        merged.tensors()()


def test_a_flipped_bit_in_a_tensor_without_adapter(merged: Merged) -> None:
    entry = Checkpoint(merged.out).entries["model.norm.weight"]
    with entry.file.open("r+b") as file:
        file.seek(entry.begin)
        file.write(b"\x01")
    with pytest.raises(MergeError, match="differs from the base"):
        merged.tensors()()


def test_a_plain_copy_of_the_base(merged: Merged) -> None:
    spoil(merged, merged.base)
    with pytest.raises(MergeError, match=r"is not base \+ adapter"):
        merged.tensors()()


def test_an_adapter_applied_twice(merged: Merged, tmp_path: Path) -> None:
    merge(merged.out, merged.adapter, tmp_path / "twice")
    spoil(merged, tmp_path / "twice")
    with pytest.raises(MergeError, match=r"is not base \+ adapter"):
        merged.tensors()()


@pytest.mark.parametrize("fault", ["copy", "twice"])
def test_the_answers_alone_separate_faults_too(merged: Merged, tmp_path: Path, fault: str) -> None:
    """A good merge scores 0, these about 1, on a long run as after a single step."""
    merge(merged.out, merged.adapter, tmp_path / "twice")
    wrong = merged.base if fault == "copy" else tmp_path / "twice"
    score = compare(merged.base, merged.adapter, wrong, None, QUESTIONS).written.relative
    assert score is not None
    assert score > 10 * TOLERANCE


def test_a_missing_tensor(merged: Merged) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(merged.out / "model.safetensors")
    del tensors["model.layers.0.self_attn.q_proj.weight"]
    save_file(tensors, merged.out / "model.safetensors", {"format": "pt"})
    with pytest.raises(MergeError, match=r"1 missing, the first is model\.layers\.0\.self_attn\.q_proj"):
        merged.tensors()()


def test_swapped_shards(bases: Bases, adapters: Adapters, tmp_path: Path) -> None:
    """Two files that took each other's name: the index then promises what the files do not hold."""
    base, out = bases("mistral"), tmp_path / "out"
    adapter = adapters(base)
    merge(base, adapter, out, max_shard_bytes=60_000, stop_ids=STOPS)
    first, second, *_ = sorted(out.glob("model-*.safetensors"))
    first.rename(out / "aside")
    second.rename(first)
    (out / "aside").rename(second)
    with pytest.raises(MergeError, match="tensors are missing"):
        check_tensors(base, adapter, out)


def test_tensors_under_each_others_name(merged: Merged) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(merged.out / "model.safetensors")
    one, other = (f"model.layers.{layer}.self_attn.q_proj.weight" for layer in (0, 1))
    tensors[one], tensors[other] = tensors[other], tensors[one]
    save_file(tensors, merged.out / "model.safetensors", {"format": "pt"})
    with pytest.raises(MergeError, match=r"layers\.0\.self_attn\.q_proj\.weight is not base"):
        merged.tensors()()


def test_a_wrong_tokenizer(merged: Merged) -> None:
    path = merged.out / "tokenizer.json"
    path.write_text(path.read_text().replace('"w7"', '"w7777"'))
    with pytest.raises(MergeError, match=r"tokenizer is not the one .* tokenizer\.json"):
        merged.companions()()


def test_a_lost_chat_template(merged: Merged) -> None:
    (merged.out / "chat_template.jinja").unlink()
    with pytest.raises(MergeError, match=r"chat_template\.jinja"):
        merged.companions()()


def test_the_bases_sentencepiece_model_travels(merged: Merged, tmp_path: Path) -> None:
    """transformers 5 does not save it again, and converters to GGUF need it."""
    base = tmp_path / "base"
    shutil.copytree(merged.base, base)
    (base / "tokenizer.model").write_bytes(b"pieces and scores")
    with pytest.raises(MergeError, match=r"tokenizer\.model"):
        check_companions(base, merged.adapter, merged.out, STOPS)
    merge(base, merged.adapter, merged.out, stop_ids=STOPS)
    check_companions(base, merged.adapter, merged.out, STOPS)
    assert (merged.out / "tokenizer.model").read_bytes() == b"pieces and scores"


def edit(path: Path, change: dict[str, object]) -> None:
    """Change keys of a JSON file; None removes one."""
    values = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def test_a_stop_id_missing(merged: Merged) -> None:
    edit(merged.out / "generation_config.json", {"eos_token_id": 2})
    with pytest.raises(MergeError, match=r"not stop at the ids \[3\]"):
        merged.companions()()


@pytest.mark.parametrize(
    "change",
    [
        {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}},
        {"rope_parameters": None},
        {"vocab_size": 319},
        {"tie_word_embeddings": True},
        {"torch_dtype": "float32"},
        {"num_key_value_heads": 4},
        {"architectures": ["MistralForCausalLM"]},
        {"quantization_config": {}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_wrong_config(merged: Merged, change: dict[str, object]) -> None:
    edit(merged.out / "config.json", change)
    with pytest.raises(MergeError, match=rf"config\.json is not the base's in: {next(iter(change))}"):
        merged.companions()()


def test_a_wrong_dtype(merged: Merged) -> None:
    edit(merged.out / "config.json", {"dtype": "float16"})
    with pytest.raises(MergeError, match=r"is bfloat16 .* should be float16"):
        merged.tensors()()


@pytest.mark.parametrize(
    "change", [{"temperature": 0.1}, {"pad_token_id": 2}, {"bos_token_id": None}], ids=str
)
def test_wrong_generation_settings(merged: Merged, change: dict[str, object]) -> None:
    edit(merged.out / "generation_config.json", change)
    with pytest.raises(MergeError, match=rf"generation_config\.json is not .*{next(iter(change))}"):
        merged.companions()()


def spoil(merged: Merged, weights: Path) -> None:
    """Put other weights into the merged folder."""
    (merged.out / "model.safetensors").unlink()
    for file in weights.glob("model*.safetensors*"):
        shutil.copyfile(file, merged.out / file.name)
