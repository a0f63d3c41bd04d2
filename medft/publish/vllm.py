"""vLLM's side of a run: the command that serves a base once with several adapters, their table, and a check
that it will be asked in the words of training.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medft.aliases import Json
from medft.data.record import Message
from medft.errors import ConfigError, PromptError
from medft.files import atomic_folder, write_json, write_text
from medft.merge.checkpoint import read_object
from medft.merge.inputs import Inputs
from medft.merge.sidecar_files import GENERATION, merged_generation
from medft.models import tokenizer as tokenizers
from medft.prompt.chat import Chat
from medft.prompt.tokenizer import Tokenizer
from medft.publish.prompts import Prompt

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM 0.33 takes as --max-lora-rank."""
SERVE, MODULES, TEMPLATE = "serve.sh", "lora_modules.json", "chat_template.jinja"


@dataclass(frozen=True, slots=True)
class Served:
    """A run's adapter, as vLLM is to serve it."""

    name: str
    """What a request calls it: ``model`` in the OpenAI protocol."""
    folder: Path
    """adapter/ of the run."""
    prompts: tuple[Prompt, ...]
    """How it was asked in training."""

    @property
    def rank(self) -> int:
        """Of its matrices."""
        return int(read_object(self.folder / "adapter_config.json")["r"])


def export_vllm(base: Path, name: str, served: Sequence[Served], folder: Path) -> list[str]:
    """Write ``folder`` with serve.sh and what its command reads; it appears whole or not at all.

    Args:
        base: the 16-bit checkpoint of all of them.
        name: what a request calls the base itself.
        served: the adapters, at least one.
        folder: where the result goes.

    Returns:
        The command.

    Raises:
        ConfigError: an adapter that vLLM does not serve, or several that one server cannot serve together.
        PromptError: vLLM would make other token ids of a prompt than training did.
    """
    rank = max(_rank(one) for one in served)
    tokenizer = tokenizers.load(served[0].folder)
    for one in served:
        _demand_same_words(one, served[0], base)
    stops = tokenizers.stop_ids(tokenizer, base)
    with atomic_folder(folder) as aside:
        write_text(aside / TEMPLATE, str(tokenizer.chat_template))
        write_json(aside / GENERATION, merged_generation(Inputs(base, served[0].folder, stops)))
        modules = [_module(one, name) for one in served]
        write_json(aside / MODULES, modules)
        command = _command(base, modules, rank, folder.resolve())
        write_text(aside / SERVE, f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        (aside / SERVE).chmod(0o755)
    return command


def _module(one: Served, base_name: str) -> Json:
    return {"name": one.name, "path": str(one.folder.resolve()), "base_model_name": base_name}


def _command(base: Path, modules: Sequence[Json], rank: int, folder: Path) -> list[str]:
    """For this machine alone, as `medft serve` is; who opens it to a network adds --host and --api-key."""
    return [
        "vllm", "serve", str(base.resolve()),
        "--served-model-name", str(modules[0]["base_model_name"]),
        "--host", "127.0.0.1",
        "--enable-lora", "--max-loras", str(len(modules)), "--max-lora-rank", str(rank),
        "--lora-modules", *(json.dumps(module, ensure_ascii=False) for module in modules),
        "--chat-template", str(folder / TEMPLATE),
        "--generation-config", str(folder),
    ]  # fmt: skip


def _rank(one: Served) -> int:
    """The least rank that vLLM reserves memory for and that holds this adapter's."""
    config = read_object(one.folder / "adapter_config.json")
    unknown = [
        what
        for what, there in (
            ("DoRA (lora.use_dora)", config.get("use_dora")),
            ("whole modules beside the adapter", config.get("modules_to_save")),
            (f"a rank above {RANKS[-1]}", one.rank > RANKS[-1]),
        )
        if there
    ]
    if unknown:
        merged = shlex.quote(str(one.folder.with_name("merged")))
        raise ConfigError(
            f"vLLM does not serve an adapter with {unknown[0]}",
            where=str(one.folder),
            remedy=f"its merged weights: vllm serve {merged}",
        )
    return next(rank for rank in RANKS if rank >= one.rank)


def _demand_same_words(one: Served, first: Served, base: Path) -> None:
    """Refuse where vLLM, with the base's tokenizer and the first adapter's chat template, would make other
    ids of a prompt than medft made of it in training."""
    own, theirs = tokenizers.load(one.folder), tokenizers.read(base)
    theirs.chat_template = tokenizers.load(first.folder).chat_template
    for prompt in one.prompts:
        turns = [Message("system", prompt.system)] if prompt.system else []
        turns.append(Message("user", prompt.user))
        if _ids(own, turns) != _ids(theirs, turns):
            raise PromptError(
                f"vLLM would send '{one.name}' other token ids than in training",
                where=f"task {prompt.task}; chat template of {first.folder}, tokenizer of {base}",
                remedy="a server of its own for each chat template"
                if one is not first
                else f"its merged weights: vllm serve {shlex.quote(str(one.folder.with_name('merged')))}",
            )


def _ids(tokenizer: Tokenizer, turns: Sequence[Message]) -> list[int]:
    text = Chat(tokenizer).render(turns, generate=True)
    return tokenizer.encode(text, add_special_tokens=False)
