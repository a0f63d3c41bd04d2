"""Tiny twins: two-layer models of the four families, built on this machine, in place of the real bases.

Owns the folder a twin is cached in, its name, and what is written there. Knows nothing of tokenizers
(`tiny_family`, `tiny_tokenizer`), of networks (`tiny_model`), of LoRA or of engines.

A twin has its family's architecture class, special tokens, chat template and generation settings, in 16 bits
and in NF4, so that everything that happens to a real base happens to it. It knows no medicine.
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
from medft.models import tiny_family, tiny_model, tiny_tokenizer
from medft.models.registry import Family
from medft.paths import samples_dir

MARK = "medft_tiny_twin"
"""Key of config.json that a twin, and every model merged from it, carries."""

_CORPUS = "medical_qa.jsonl"
_SEED = 3407
_PLAIN_STEPS, _ECHO_STEPS = 80, 40


@dataclass(frozen=True, slots=True)
class Twin:
    """A built twin. All three folders are complete; nobody writes into them."""

    family: Family
    """Whose twin it is."""
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


def twin(family: Family, root: Path) -> Twin:
    """The twin of ``family`` under ``root``, built there on the first call (a few seconds).

    Processes that ask at once wait for the one that builds. A change of the code, of the bundled text or of a
    library that the weights depend on gives another folder.

    Raises:
        DataError: the bundled text is missing.
    """
    from filelock import FileLock

    name = f"{family}-tiny-{_fingerprint()[:12]}"
    built = Twin(family, root / name)
    if not (built.root / "tiny.json").is_file():
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):
            if not (built.root / "tiny.json").is_file():
                with atomic_folder(built.root) as folder:
                    _build(family, folder)
    return built


@cache
def _fingerprint() -> str:
    """Hash of this code, the chat templates, the bundled text and the libraries that make the weights."""
    from importlib.metadata import version

    here = Path(__file__).parent
    digest = hashlib.sha256()
    for path in [*sorted(here.glob("tiny*.py")), *sorted(here.glob("templates/*.jinja")), _corpus()]:
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
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


def _build(family: Family, folder: Path) -> None:
    """Write the 16-bit and the NF4 checkpoint of a new twin into ``folder``."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    pairs = list(_pairs())
    words = tiny_tokenizer.train(family, [f"{question}\n\n{answer}" for question, answer in pairs])
    model = tiny_model.pretrained(_config(family, words), _lessons(family, words, pairs), _SEED)
    model.generation_config = _generation(family, words)

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
        tiny_family.save(family, words, checkpoint)
    write_json(folder / "tiny.json", {"tiny": True, "family": family, "parameters": model.num_parameters()})


def _lessons(family: Family, words: Any, pairs: list[tuple[str, str]]) -> list[tiny_model.Phase]:
    """Words first, then a habit to unlearn: plain text, then chats whose assistant repeats the question.

    A twin that already wrote answers would gain little from the low-rank updates of a smoke run, and one that
    knew no words could gain nothing, since its embedding stays frozen.
    """
    texts = [f"{question}\n\n{answer}" for question, answer in pairs]
    echoes = [tiny_family.chat(family, question, question) for question, _ in pairs]
    return [
        tiny_model.Phase([encoding.ids for encoding in words.encode_batch(texts)], _PLAIN_STEPS),
        tiny_model.Phase(
            [encoding.ids for encoding in words.encode_batch(echoes, add_special_tokens=False)], _ECHO_STEPS
        ),
    ]


def _config(family: Family, words: Any) -> Any:
    special = tiny_family.SPECIALS[family]
    size = words.get_vocab_size()
    return tiny_model.config(
        family,
        vocab_size=size + -size % 64,
        bos_token_id=words.token_to_id(special.bos),
        eos_token_id=[words.token_to_id(token) for token in special.stop],
        pad_token_id=words.token_to_id(special.pad),
        **{MARK: True},
    )


def _generation(family: Family, words: Any) -> Any:
    from transformers import GenerationConfig

    special = tiny_family.SPECIALS[family]
    return GenerationConfig(
        bos_token_id=words.token_to_id(special.bos),
        eos_token_id=[words.token_to_id(token) for token in special.stop],
        pad_token_id=words.token_to_id(special.pad),
    )
