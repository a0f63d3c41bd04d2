"""A GGUF file -> an ordinary checkpoint folder, dequantised once and kept by the file's content.

Look here for what becomes of its weights; its settings and its vocabulary have files of their own.
transformers' reader of the same files sets the stop token to the first one, splits text another way, drops
scaled positions and passes over tensors that it does not know: here every tensor and every setting is
accounted for, or the file is refused.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft.errors import EngineError, MedftError
from medft.files import atomic_folder, read_json, write_json
from medft.models.gguf_config import ARCHITECTURES, FREQUENCIES, architecture, configuration
from medft.paths import cache_dir, expanded

if TYPE_CHECKING:
    import numpy as np
    import torch
    from gguf import GGUFReader, ReaderTensor

RECORD = "gguf.json"
"""What a dequantised folder says of the file that it was made from."""
SUFFIX = ".gguf"
_FORM = 2  # of the folders made here: another one has them made again
_SHARD = "2GB"


def is_gguf(name: str) -> bool:
    """Whether ``name`` is that of a GGUF file."""
    return name.lower().endswith(SUFFIX)


def folder_of(file: Path) -> Path:
    """The folder with the dequantised weights of ``file`` in bfloat16, made on the first call.

    Processes that ask at once wait for the one that makes it.

    Raises:
        EngineError: no such file, a damaged one, or one that cannot be read faithfully.
    """
    from filelock import FileLock

    file = expanded(file)
    if not file.is_file():
        raise EngineError(f"there is no file '{file}'", remedy="give an existing .gguf file")
    digest = _digest(file.resolve(), file.stat().st_mtime_ns)
    folder = cache_dir() / "gguf" / f"{file.stem}-{digest[:12]}-{_FORM}"
    if not (folder / RECORD).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if not (folder / RECORD).is_file():
                with _one_message(file), atomic_folder(folder) as aside:
                    _convert(file, digest, aside)
    return folder


def record(folder: Path) -> dict[str, Any] | None:
    """What the folder of a checkpoint says of the GGUF file it was made from; None for any other folder."""
    path = folder / RECORD
    return dict(read_json(path)) if path.is_file() else None


def describe(folder: Path) -> str | None:
    """The same in a few words, for people."""
    if (found := record(folder)) is None:
        return None
    return f"{found['file']} (GGUF, {', '.join(found['quantised']) or 'not quantised'}), dequantised"


@contextmanager
def _one_message(file: Path) -> Iterator[None]:
    """Name the file in whatever is wrong with it; the reader's own complaints are many."""
    try:
        yield
    except MedftError as error:
        error.where = error.where or str(file)
        raise
    except OSError:
        raise
    except Exception as error:  # the reader and the Rust parser raise kinds of all sorts
        raise EngineError(
            f"this file is damaged or not a GGUF file ({type(error).__name__})",
            where=str(file),
            remedy="delete it and fetch it again (what medft has fetched, the same command fetches)",
        ) from error


@functools.cache
def _digest(file: Path, changed: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _convert(file: Path, digest: str, folder: Path) -> None:
    """Write the checkpoint that ``file`` describes into ``folder``."""
    from gguf import GGUFReader
    from transformers import GenerationConfig

    from medft.models.gguf_tokenizer import tokenizer

    reader = GGUFReader(file)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    name = architecture(fields)
    frequencies = tensors.pop(FREQUENCIES, None)
    config = configuration(
        fields,
        vocabulary=int(tensors["token_embd.weight"].shape[1]),
        tied="output.weight" not in tensors,
        frequencies=None if frequencies is None else _numbers(frequencies),
    )
    words = tokenizer(fields)
    config.architectures = _write_weights(config, tensors, folder)
    config.save_pretrained(folder)
    stops = {key: getattr(config, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    GenerationConfig(**stops).save_pretrained(folder)
    words.save_pretrained(folder)
    write_json(
        folder / RECORD,
        {
            "file": file.name,
            "sha256": digest,
            "architecture": name,
            "name": fields.get("general.name"),
            "license": fields.get("general.license"),
            "quantised": sorted({t.tensor_type.name for t in reader.tensors} - {"F32", "F16", "BF16"}),
            "types": _types(reader),
        },
    )


def _write_weights(config: Any, tensors: dict[str, ReaderTensor], folder: Path) -> list[str]:
    """Write every weight of the model that ``config`` describes, shard by shard.

    Returns:
        The class of the model, as config.json names it.

    Raises:
        EngineError: a tensor of the file that the model does not have, or the other way round.
    """
    import torch
    from huggingface_hub import split_torch_state_dict_into_shards
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    wanted = model.state_dict()
    if config.tie_word_embeddings:
        del wanted["lm_head.weight"]
    names = _names(config, wanted)
    if odd := sorted(set(names.values()) ^ tensors.keys()):
        raise EngineError(
            f"this GGUF file and the architecture '{config.model_type}' do not have the same weights: "
            f"{', '.join(odd[:5])}"
        )
    shards = split_torch_state_dict_into_shards(
        wanted, filename_pattern="model{suffix}.safetensors", max_shard_size=_SHARD
    )
    for file, members in shards.filename_to_tensors.items():
        weights = {name: _weight(config, name, tensors[names[name]], wanted[name].shape) for name in members}
        save_file(weights, folder / file, metadata={"format": "pt"})
    if shards.is_sharded:
        index = {"metadata": shards.metadata, "weight_map": shards.tensor_to_filename}
        write_json(folder / "model.safetensors.index.json", index)
    return [type(model).__name__]


def _names(config: Any, wanted: dict[str, torch.Tensor]) -> dict[str, str]:
    """Each weight's name in transformers -> its name in a GGUF file."""
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    kind = next(kind for kind, name in MODEL_ARCH_NAMES.items() if name == config.model_type)
    known = get_tensor_name_map(kind, config.num_hidden_layers)
    found = {}
    for name in wanted:
        stem, _, last = name.rpartition(".")
        found[name] = f"{known.get_name(stem)}.{last}"
    return found


def _weight(config: Any, name: str, tensor: ReaderTensor, shape: torch.Size) -> torch.Tensor:
    import torch

    weight = torch.from_numpy(_numbers(tensor))
    if weight.shape != shape:
        raise EngineError(f"the GGUF file's {tensor.name} is {tuple(weight.shape)}, not {tuple(shape)}")
    if ARCHITECTURES[config.model_type].permuted and (found := re.search(r"\.([qk])_proj\.", name)):
        heads = config.num_attention_heads if found[1] == "q" else config.num_key_value_heads
        weight = _uninterleaved(weight, heads)
    return weight.to(torch.bfloat16).contiguous()


def _uninterleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """A query or key projection with the two halves of each head one after the other, as transformers rotates
    them; llama.cpp rotates neighbours."""
    rows = weight.shape[0]
    return weight.reshape(heads, rows // heads // 2, 2, -1).transpose(1, 2).reshape(weight.shape)


def _numbers(tensor: ReaderTensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A tensor in float32, whatever it is quantised to."""
    from gguf import dequantize

    try:
        numbers: np.ndarray[Any, np.dtype[np.float32]] = dequantize(tensor.data, tensor.tensor_type)
    except NotImplementedError:
        raise EngineError(
            f"the GGUF file's {tensor.name} is quantised as {tensor.tensor_type.name}, which cannot be read",
            remedy="take the model quantised as Q8_0, Q4_K_M or the like",
        ) from None
    return numbers.copy()


def _types(reader: GGUFReader) -> dict[str, str]:
    """How each kind of tensor is quantised; several, where its blocks differ."""
    found: dict[str, set[str]] = {}
    for tensor in reader.tensors:
        kind = re.sub(r"^blk\.\d+\.", "", tensor.name)
        found.setdefault(kind, set()).add(tensor.tensor_type.name)
    return {kind: ", ".join(sorted(types)) for kind, types in sorted(found.items())}
