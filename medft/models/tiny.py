"""Tiny twins: two-layer models of a family's architecture, built on this machine in place of the real base.

A twin has its family's architecture class, special tokens, chat template and generation settings, in 16 bits
and in NF4, so that everything that happens to a real base happens to it. It knows no medicine. This file
holds the folder that a twin is cached in, its name, and what is written there; `warmup` trains it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from medft.errors import DataError
from medft.files import atomic_folder, write_json
from medft.models import warmup
from medft.models.families import copy_tokenizer, folder_of
from medft.paths import samples_dir

MARK = "medft_tiny_twin"
"""Key of config.json that a twin, and every model merged from it, carries."""

_CORPUS = "medical_qa.jsonl"
_SEED = 3407


@dataclass(frozen=True, slots=True)
class Twin:
    """A built twin. Both folders are complete checkpoints; nobody writes into them."""

    family: str
    """Name of the family's folder."""
    root: Path
    """``<family>-tiny-<hash>``: the hash is of everything the weights depend on."""

    @property
    def bits16(self) -> Path:
        """bfloat16 safetensors, for merging."""
        return self.root / "bits16"

    @property
    def nf4(self) -> Path:
        """The same weights in bitsandbytes' NF4, for training."""
        return self.root / "nf4"


def twin(family: str, root: Path) -> Twin:
    """The twin of ``family`` under ``root``, built there on the first call (a few seconds).

    Processes that ask at once wait for the one that builds. A change of the family's files, of the code, of
    the bundled text or of a library that the weights depend on gives another folder.

    Raises:
        ConfigError: there is no such family.
        DataError: the bundled text is missing, or the family's tokenizer has more tokens than its
        config.json.
    """
    from filelock import FileLock

    source = folder_of(family)
    built = Twin(source.name, root / f"{source.name}-tiny-{_fingerprint(source)[:12]}")
    if not (built.root / "tiny.json").is_file():
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{built.root.name}.lock"):
            if not (built.root / "tiny.json").is_file():
                with atomic_folder(built.root) as folder:
                    _build(source, folder)
    return built


def _fingerprint(source: Path) -> str:
    """Hash of the family's files, and of what makes weights of them."""
    digest = hashlib.sha256(_maker().encode())
    for path in sorted(path for path in source.iterdir() if path.is_file()):
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def _maker() -> str:
    """Hash of this code, the bundled text and the libraries that make the weights."""
    from importlib.metadata import version

    digest = hashlib.sha256()
    for path in (Path(__file__), Path(warmup.__file__), _corpus()):
        digest.update(path.read_bytes() + b"\0")
    for library in ("torch", "transformers", "tokenizers", "bitsandbytes"):
        digest.update(f"{library}={version(library)}\0".encode())
    return digest.hexdigest()


def _corpus() -> Path:
    path = samples_dir() / _CORPUS
    if not path.is_file():
        raise DataError(
            "the bundled text is missing, from which tiny twins learn their words",
            where=str(path),
            remedy="restore data/samples from the repository, or reinstall medft",
        )
    return path


def _pairs() -> Iterator[tuple[str, str]]:
    with _corpus().open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield row["question"], row["answer"]


def _build(source: Path, folder: Path) -> None:
    """Write the 16-bit and the NF4 checkpoint of a new twin of the family ``source`` into ``folder``."""
    from transformers import (
        AutoConfig,
        AutoModelForCausalLM,
        AutoTokenizer,
        BitsAndBytesConfig,
        GenerationConfig,
    )

    tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
    config = AutoConfig.from_pretrained(source, local_files_only=True)
    setattr(config, MARK, True)
    if len(tokenizer) > config.vocab_size:
        raise DataError(
            f"the tokenizer has {len(tokenizer):,} tokens, config.json a vocabulary of {config.vocab_size:,}",
            where=str(source),
            remedy="raise vocab_size in config.json to a multiple of 64 that holds them",
        )
    model = warmup.trained(config, _lessons(tokenizer), _SEED)
    model.generation_config = GenerationConfig.from_pretrained(source, local_files_only=True)

    bits16, nf4 = folder / "bits16", folder / "nf4"
    model.save_pretrained(bits16)
    quantisation = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype="bfloat16",
    )
    quantised = AutoModelForCausalLM.from_pretrained(
        bits16, quantization_config=quantisation, dtype="bfloat16", device_map={"": "cpu"}
    )
    quantised.save_pretrained(nf4)
    for checkpoint in (bits16, nf4):
        copy_tokenizer(str(source), checkpoint)
    write_json(
        folder / "tiny.json", {"tiny": True, "family": source.name, "parameters": model.num_parameters()}
    )


def _lessons(tokenizer: Any) -> tuple[warmup.Lesson, ...]:
    """Words first, then a habit to unlearn: plain text, then chats whose assistant repeats the question.

    A twin that already wrote answers would gain little from the low-rank updates of a smoke run, and one that
    knew no words could gain nothing, since its embedding stays frozen.
    """
    pairs = list(_pairs())
    texts = [f"{question}\n\n{answer}" for question, answer in pairs]
    echoes = [
        [{"role": role, "content": question} for role in ("user", "assistant")] for question, _ in pairs
    ]
    chats = tokenizer.apply_chat_template(echoes, tokenize=False)
    return (
        warmup.Lesson(tokenizer(texts).input_ids, steps=80),
        warmup.Lesson(tokenizer(chats, add_special_tokens=False).input_ids, steps=40),
    )
