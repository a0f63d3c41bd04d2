"""The files that stand beside merged weights, so that plain transformers needs nothing else.

config.json, generation_config.json, the files of tokenizer and license: which are copied from where, and what
must be changed in them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medft.errors import MergeError
from medft.files import write_json
from medft.merge.checkpoint import read_object
from medft.merge.inputs import Inputs
from medft.models.tokenizer_files import FILES

CONFIG, GENERATION, SENTENCEPIECE = "config.json", "generation_config.json", "tokenizer.model"
LICENSE_FILES = ("LICENSE*", "NOTICE*", "USE_POLICY*")
"""What licenses ask to be handed on with the weights."""
# What a base says of its own storage or of where it lay; untrue of the merged weights.
_NOT_OURS = ("quantization_config", "torch_dtype", "_name_or_path", "_pre_quantization_dtype")


def merged_config(inputs: Inputs, dtype: str) -> dict[str, Any]:
    """The base's config.json with the merged weights' ``dtype`` and without a trace of quantisation.

    A pad id that also ends answers gives way to that of ``merged_generation``; and what transformers 5 alone
    writes of rotary embeddings is said in the words of transformers 4, too, which would else take a default.
    """
    config = {key: value for key, value in read_object(inputs.base / CONFIG).items() if key not in _NOT_OURS}
    generation = merged_generation(inputs)
    if config.get("pad_token_id") in as_ids(generation["eos_token_id"]):
        config["pad_token_id"] = generation.get("pad_token_id")
    return _rope_of_transformers_4(config) | config | {"dtype": dtype}


def _rope_of_transformers_4(config: Mapping[str, Any]) -> dict[str, Any]:
    rope = config.get("rope_parameters")
    if not isinstance(rope, dict) or "rope_theta" not in rope:
        return {}
    scaling = {key: value for key, value in rope.items() if key != "rope_theta"}
    scaled = scaling.get("rope_type", "default") != "default"
    return {"rope_theta": rope["rope_theta"]} | ({"rope_scaling": scaling} if scaled else {})


def merged_generation(inputs: Inputs) -> dict[str, Any]:
    """The base's generation settings, stopping at its own stop ids and at those of ``inputs``.

    A pad id that is one of these, which some bases have, gives way to the pad of the adapter's tokenizer.

    Raises:
        MergeError: there is no stop id at all.
    """
    base = inputs.base
    settings = read_object(base / GENERATION) if (base / GENERATION).is_file() else {}
    config = read_object(base / CONFIG)
    for key in ("bos_token_id", "pad_token_id"):
        if settings.get(key) is None and config.get(key) is not None:
            settings[key] = config[key]
    own = settings.get("eos_token_id", config.get("eos_token_id"))
    stops = list(dict.fromkeys([*as_ids(own), *inputs.stop_ids]))
    if not stops:
        raise MergeError("no stop id is known: generation would never end", where=str(base / GENERATION))
    settings.pop("_from_model_config", None)
    if settings.get("pad_token_id") in stops:
        settings["pad_token_id"] = next(
            (pad for pad in _pad_ids(inputs.adapter, base) if pad not in stops), None
        )
    return settings | {"eos_token_id": stops if len(stops) > 1 else stops[0]}


def as_ids(value: int | list[int] | None) -> list[int]:
    """``eos_token_id`` as a list: configs hold an int, a list, or null."""
    if value is None:
        return []
    return [int(entry) for entry in value] if isinstance(value, list) else [int(value)]


def tokenizer_files(adapter: Path, base: Path) -> dict[str, Path]:
    """The tokenizer that merged weights need: file name -> the file it is a copy of.

    They are the adapter's, since it was trained with them, or the base's where the adapter has none; and the
    base's SentencePiece model, which transformers 5 does not save again. Without that, converters to GGUF
    refuse Gemma, and give the others pieces without scores, which llama.cpp then joins otherwise.

    Raises:
        MergeError: neither has a tokenizer.
    """
    for folder in (adapter, base):
        if (folder / "tokenizer_config.json").is_file():
            sources = {name: folder / name for name in FILES}
            if not sources[SENTENCEPIECE].is_file():
                sources[SENTENCEPIECE] = base / SENTENCEPIECE
            return {name: path for name, path in sources.items() if path.is_file()}
    raise MergeError("neither the adapter nor the base holds a tokenizer", where=str(adapter))


def _pad_ids(*folders: Path) -> Iterator[int]:
    """The id of the pad token of each tokenizer."""
    for folder in folders:
        config, core = folder / "tokenizer_config.json", folder / "tokenizer.json"
        if config.is_file() and core.is_file():
            pad = read_object(config).get("pad_token")
            pad = pad["content"] if isinstance(pad, dict) else pad
            rules = read_object(core)
            words = rules["model"].get("vocab")
            ids = {token["content"]: token["id"] for token in rules.get("added_tokens") or ()}
            found = ids.get(pad, words.get(pad) if isinstance(words, dict) else None)
            if found is not None:
                yield int(found)


def write_sidecars(inputs: Inputs, out: Path, dtype: str) -> tuple[int, ...]:
    """Write all of them into ``out``; returns the ids that end a generation."""
    generation = merged_generation(inputs)
    write_json(out / CONFIG, merged_config(inputs, dtype))
    write_json(out / GENERATION, generation)
    for name, source in tokenizer_files(inputs.adapter, inputs.base).items():
        shutil.copyfile(source, out / name)
    for pattern in LICENSE_FILES:
        for source in inputs.base.glob(pattern):
            shutil.copyfile(source, out / source.name)
    return tuple(as_ids(generation["eos_token_id"]))
