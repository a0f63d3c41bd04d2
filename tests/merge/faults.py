"""Ways in which merged weights can be wrong, each planted into a good merge, and what must be said of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file

from medft.merge import rounding
from medft.merge.checkpoint import Checkpoint
from medft.merge.inputs import Inputs
from medft.merge.rounding import MergingConfig
from tests.merge.small import write_merge

LONG, ONE_STEP = 0.02, 2e-4
"""Size of B after a long run, and after one step of Adam at the usual learning rate."""
STOPS = (2, 3)
QUERY = "model.layers.{}.self_attn.q_proj.weight"


@dataclass
class Merged:
    """A good merge in several shards, to be spoilt."""

    base: Path
    adapter: Path
    out: Path
    merging: MergingConfig

    @property
    def inputs(self) -> Inputs:
        return Inputs(self.base, self.adapter, STOPS, merging=self.merging, strict=False)


def merged(base: Path, adapter: Path, out: Path, merging: MergingConfig) -> Merged:
    """A good merge."""
    write_merge(base, adapter, out, STOPS, max_shard_bytes=60_000, merging=merging)
    return Merged(base, adapter, out, merging)


@dataclass
class Fault:
    """What is done to the folder, and what the error must say (a regular expression)."""

    name: str
    plant: Callable[[Merged], object]
    says: str


def shards(given: Merged) -> list[Path]:
    return sorted(given.out.glob("*.safetensors"))


def truncate(given: Merged) -> None:
    file = shards(given)[-1]
    file.write_bytes(file.read_bytes()[:-1000])


def flip(name: str) -> Callable[[Merged], None]:
    """One bit of one number."""

    def plant(given: Merged) -> None:
        entry = Checkpoint(given.out).entries[name]
        data = bytearray(entry.file.read_bytes())
        data[entry.begin + 20] ^= 0b100
        entry.file.write_bytes(data)

    return plant


def change(edit: Callable[[dict[str, Any]], None]) -> Callable[[Merged], None]:
    """Edit the tensors of every shard."""

    def plant(given: Merged) -> None:
        for file in shards(given):
            tensors = load_file(file)
            edit(tensors)
            save_file(tensors, file, {"format": "pt"})

    return plant


def not_a_number(tensors: dict[str, Any]) -> None:
    for name in tensors:
        if name == QUERY.format(1):
            tensors[name][0, 0] = float("nan")


def unexpected(tensors: dict[str, Any]) -> None:
    for name in list(tensors):
        if name == QUERY.format(1):
            tensors["lm_head.bias"] = tensors[name][0].clone()


def lose_shard(given: Merged) -> None:
    shards(given)[1].unlink()


def swap_shards(given: Merged) -> None:
    """Two files take each other's name."""
    first, second, *_ = shards(given)
    first.rename(given.out / "aside")
    second.rename(first)
    (given.out / "aside").rename(second)


def swap_layers(given: Merged) -> None:
    """Two tensors take each other's name."""
    stored = Checkpoint(given.out)
    values = {QUERY.format(layer): stored.read(QUERY.format(1 - layer)) for layer in (0, 1)}
    change(lambda tensors: tensors.update({name: values[name] for name in tensors if name in values}))(given)


def weights_of(make: Callable[[Merged, Path], Path]) -> Callable[[Merged], None]:
    """Put other weights in the place of the merged ones."""

    def plant(given: Merged) -> None:
        other = make(given, given.out.with_name("other"))
        for file in [*shards(given), *given.out.glob("*.index.json")]:
            file.unlink()
        for file in other.glob("model*.safetensors*"):
            shutil.copyfile(file, given.out / file.name)

    return plant


def twice(given: Merged, folder: Path) -> Path:
    write_merge(given.out, given.adapter, folder, merging=given.merging)
    return folder


def rescaled(factor: float) -> Callable[[Merged, Path], Path]:
    """The adapter with other factors B."""

    def make(given: Merged, folder: Path) -> Path:
        shutil.copytree(given.adapter, folder / "adapter")
        path = folder / "adapter" / "adapter_model.safetensors"
        scales = {"lora_B": factor, "lora_A": 1.0}
        tensors = {name: t * scales[name.split(".")[-2]] for name, t in load_file(path).items()}
        save_file(tensors, path)
        write_merge(given.base, folder / "adapter", folder / "merged", merging=given.merging)
        return folder / "merged"

    return make


def edit_json(path: Path, keys: dict[str, object]) -> None:
    """Change keys of a JSON file; None removes one."""
    values = {**json.loads(path.read_text()), **keys}
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def settings(file: str, **keys: object) -> Callable[[Merged], None]:
    return lambda given: edit_json(given.out / file, keys)


def replace(file: str, old: str, new: str) -> Callable[[Merged], None]:
    def plant(given: Merged) -> None:
        path = given.out / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return plant


def remove(file: str) -> Callable[[Merged], None]:
    return lambda given: (given.out / file).unlink()


def rounded_as(noise: Callable[[int, str, int, int], Any]) -> Callable[[Merged], None]:
    """The same merge with other random numbers, which are a function of seed, weight, position and count."""

    def plant(given: Merged) -> None:
        own = rounding.noise
        rounding.noise = noise
        try:
            weights_of(_again)(given)
        finally:
            rounding.noise = own

    return plant


def _again(given: Merged, folder: Path) -> Path:
    write_merge(given.base, given.adapter, folder, STOPS, merging=given.merging)
    return folder


def half(seed: int, name: str, start: int, count: int) -> Any:
    """Half of all numbers there are: what is rounded by it goes to the nearest."""
    return np.full(count, 1 << 15, dtype=np.uint16)


def low(seed: int, name: str, start: int, count: int) -> Any:
    """Numbers that are too small by a third."""
    return (drawn(seed, name, start, count).astype(np.uint32) * 2 // 3).astype(np.uint16)


def nf4_embedding(given: Merged) -> None:
    """The embedding, which no adapter changes, through 4 bits and back, as one peer does to every matrix."""
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    name = "model.embed_tokens.weight"

    def edit(tensors: dict[str, Any]) -> None:
        if name in tensors:
            tensors[name] = dequantize_4bit(*quantize_4bit(tensors[name], quant_type="nf4"))

    change(edit)(given)


drawn = rounding.noise
CONFIG, GENERATION = "config.json", "generation_config.json"
DEFAULT_ROPE = {"rope_type": "default", "rope_theta": 5e5}
NOT_THE_SUM = r"is not base \+ adapter"
WEIGHTS = [
    Fault("a shard cut off", truncate, "is damaged: .*file not fully covered"),
    Fault("a shard lost", lose_shard, "is missing"),
    Fault("two shards swapped", swap_shards, r"tensors are missing: \d+, the first is"),
    Fault(
        "a bit flipped", flip("model.layers.1.mlp.up_proj.weight"), rf"1\.mlp\.up_proj\.weight {NOT_THE_SUM}"
    ),
    Fault("a bit flipped where no adapter is", flip("model.norm.weight"), "differs from the base"),
    Fault("a number that is none", change(not_a_number), "is not finite"),
    Fault("a tensor lost", change(lambda t: t.pop(QUERY.format(0), None)), "tensors are missing: 1"),
    Fault("a tensor too many", change(unexpected), "1 unexpected, the first is lm_head.bias"),
    Fault("two layers swapped", swap_layers, rf"q_proj\.weight {NOT_THE_SUM}"),
    Fault("a plain copy of the base", weights_of(lambda given, _: given.base), NOT_THE_SUM),
    Fault("the adapter applied twice", weights_of(twice), NOT_THE_SUM),
    Fault("the adapter at half its scale", weights_of(rescaled(0.5)), NOT_THE_SUM),
    Fault("an untouched weight through NF4", nf4_embedding, "embed_tokens.weight differs from the base"),
    Fault("the adapter subtracted", weights_of(rescaled(-1)), NOT_THE_SUM),
]
ROUNDING = [
    Fault(
        "one stream of random numbers for all weights",
        rounded_as(lambda seed, name, start, count: drawn(seed, QUERY.format(0), start, count)),
        NOT_THE_SUM,
    ),
    Fault(
        "the same random numbers in every block",
        rounded_as(lambda seed, name, start, count: drawn(seed, name, 7, count)),
        NOT_THE_SUM,
    ),
    Fault("another seed", rounded_as(lambda seed, *rest: drawn(seed + 1, *rest)), NOT_THE_SUM),
    Fault("a biased rounding", rounded_as(low), NOT_THE_SUM),
    Fault(
        "nearest where stochastic was promised", rounded_as(half), "rounded stochastically with the seed 0"
    ),
]
FILES = [
    Fault(
        "another tokenizer", replace("tokenizer.json", '"w7"', '"w7777"'), r"not the one .*tokenizer\.json"
    ),
    Fault(
        "another pad token",
        settings("tokenizer_config.json", pad_token="</s>"),
        "not the one that was trained",
    ),
    Fault("no chat template", remove("chat_template.jinja"), r"chat_template\.jinja differs"),
    Fault("a stop id lost", settings(GENERATION, eos_token_id=2), r"would not stop at the ids \[3\]"),
    Fault("another temperature", settings(GENERATION, temperature=0.1), "in: temperature"),
    Fault("another pad id", settings(GENERATION, pad_token_id=2), "in: pad_token_id"),
    Fault("a pad that ends", settings(GENERATION, pad_token_id=3), "in: pad_token_id"),
    Fault("another rope", settings(CONFIG, rope_parameters=DEFAULT_ROPE), "in: rope_parameters"),
    Fault("no rope", settings(CONFIG, rope_parameters=None), "in: rope_parameters"),
    Fault("another vocabulary size", settings(CONFIG, vocab_size=319), "in: vocab_size"),
    Fault("embeddings tied", settings(CONFIG, tie_word_embeddings=True), "in: tie_word_embeddings"),
    Fault("other heads", settings(CONFIG, num_key_value_heads=4), "in: num_key_value_heads"),
    Fault("another architecture", settings(CONFIG, architectures=["OtherForCausalLM"]), "in: architectures"),
    Fault("another torch_dtype", settings(CONFIG, torch_dtype="float32"), "in: torch_dtype"),
    Fault("another dtype", settings(CONFIG, dtype="float16"), "is bfloat16 .* should be float16"),
    Fault("a trace of quantisation", settings(CONFIG, quantization_config={}), "in: quantization_config"),
    Fault(
        "an adapter among the weights",
        lambda given: shutil.copy(given.adapter / "adapter_config.json", given.out),
        "the folder of the merged weights also contains",
    ),
]
