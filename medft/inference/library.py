"""Run folders -> loaded models: each base once, each run an adapter on it."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from medft.engine import engine as engine_named
from medft.engine.base import EngineConfig, LoadSpec
from medft.engine.device import in_memory
from medft.errors import RunError
from medft.inference.generation import BATCH_TOKENS
from medft.inference.session import BASE, Session
from medft.machine import probe
from medft.models.base_models import Base, merging_base, training_base
from medft.models.registry import ModelConfig
from medft.plan.resolve import Resolved, resolve
from medft.prompt.config import TemplateConfig
from medft.runs import RunDir
from medft.runs.record import RunRecord
from medft.runs.values import mapping, text

Weights = Literal["adapter", "merged"]

FREE = "stop other processes on the GPU (nvidia-smi)"

_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class RunModel:
    """The model of a run, and how this machine runs it."""

    record: RunRecord
    """The content of its run folder."""
    model: ModelConfig
    """The base model."""
    template: TemplateConfig
    """The words it was trained with."""
    language: str
    """ISO 639-1 code of its data; English where they have several."""
    resolved: Resolved
    """How this machine runs it, at the scale it was trained at."""
    load_in_4bit: bool
    """Whether the base was held in 4 bits."""


def read_run(run: RunDir, weights: Weights = "adapter") -> RunModel:
    """Read what a run trained.

    Raises:
        RunError: the run has no such weights, or its files are missing or damaged.
        EngineError: this machine cannot run it.
    """
    folder = run.adapter if weights == "adapter" else run.merged
    if not folder.is_dir():
        raise RunError(
            f"the run has no {weights} weights yet ({run.state()})",
            where=str(run.root),
            remedy=_way_to(weights, run),
        )
    record = RunRecord(run)
    model, how = record.built(ModelConfig, "model"), record.built(EngineConfig, "engine")
    template = record.built(TemplateConfig, "template")
    resolved = resolve(model, replace(how, name="auto"), record.scale, probe())
    return RunModel(record, model, template, _language(record), resolved, resolved.load_in_4bit)


def _language(record: RunRecord) -> str:
    dataset = mapping(record.settings, "dataset")
    sources = mapping(dataset, "sources")
    members = [mapping(sources, name) for name in sources] or [dataset]
    found = {text(member.get("language")) for member in members}
    return (found.pop() if len(found) == 1 else "") or "en"


class Library:
    """Runs that can be asked, loaded when they are first asked.

    Args:
        runs: folders with an adapter.
        artifacts: where tiny twins are kept.
        context: longest prompt and reply together, in tokens; a model that takes less has less.
        batch_tokens: most tokens that are computed at once where many are asked for.

    Raises:
        RunError, EngineError: as ``read_run``.
    """

    def __init__(
        self, runs: Sequence[RunDir], artifacts: Path, context: int, batch_tokens: int = BATCH_TOKENS
    ) -> None:
        groups = Counter(run.root.parent.name for run in dict.fromkeys(runs))
        self._models = {
            run.name if groups[run.root.parent.name] > 1 else run.root.parent.name: read_run(run)
            for run in dict.fromkeys(runs)
        }
        self._artifacts = artifacts
        self._limits = context, batch_tokens
        self._sessions: dict[Path, Session] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Every run, and for each base one name for it without any adapter."""
        bases = {_base_name(each): None for each in self._models.values()}
        return (*self._models, *bases)

    def model(self, name: str) -> RunModel:
        """The run called ``name``, or the first run on the base called ``name``."""
        for known, each in self._models.items():
            if name in (known, _base_name(each)):
                return each
        raise RunError(f"there is no model called '{name}'", where=f"there are: {', '.join(self.names)}")

    def session(self, name: str) -> tuple[Session, str]:
        """The session that holds the model called ``name``, loading what is missing, and its name there.

        Raises:
            RunError, EngineError: no such name, or it cannot be loaded.
        """
        chosen = self.model(name)
        base = training_base(chosen.model, chosen.resolved.scale, chosen.load_in_4bit, self._artifacts)
        with self._lock:  # two who ask at once must not load it twice
            if base.folder not in self._sessions:
                with in_memory("while loading a model", f"{FREE}, or load fewer models"):
                    self._sessions[base.folder] = open_session(chosen, base, *self._limits)
            session = self._sessions[base.folder]
            if name in self._models and name not in session.names:
                session.add(name, chosen.record.run.adapter)
        return session, name if name in self._models else BASE


def open_session(
    chosen: RunModel, base: Base, context: int, batch_tokens: int, *, load_in_4bit: bool | None = None
) -> Session:
    """Load the base model of a run, without an adapter."""
    engine = engine_named(chosen.resolved.engine)
    engine.activate()
    from medft.models import tokenizer as tokenizers

    four = chosen.load_in_4bit if load_in_4bit is None else load_in_4bit
    tokenizer = tokenizers.load(base.folder, chosen.model.pad_token, chosen.model.chat_template)
    model = engine.load_for_generation(LoadSpec(base.folder, chosen.resolved.dtype, four, context), None)
    longest = min(context, getattr(model.config, "max_position_embeddings", context))
    return Session(model, tokenizer, tokenizers.stop_ids(tokenizer, base.folder), longest,
                   batch_tokens=batch_tokens)  # fmt: skip


def open_merged(
    chosen: RunModel, which: Literal["base", "tuned"], artifacts: Path, context: int, batch_tokens: int
) -> Session:
    """Load the 16-bit base of a run, or the weights merged from it.

    Raises:
        EngineError: they do not fit the GPU.
    """
    base = merging_base(chosen.model, chosen.resolved.scale, artifacts)
    if which == "tuned":
        base = Base(chosen.record.run.merged, str(chosen.record.run.merged), base.tiny)
    with in_memory("while loading 16-bit weights", f"{FREE}, or weights=adapter, on a base in 4 bits"):
        return open_session(chosen, base, context, batch_tokens, load_in_4bit=False)


def fingerprint(folder: Path) -> str:
    """A digest of the weights in a folder: names and sizes of its config and safetensors files, and the first
    and the last megabyte of each. Training touches every tensor, so two runs differ there."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors"):
            size = path.stat().st_size
            digest.update(f"{path.name} {size}\n".encode())
            with path.open("rb") as file:
                digest.update(file.read(_MEGABYTE))
                file.seek(max(size - _MEGABYTE, 0))
                digest.update(file.read())
    return digest.hexdigest()[:16]


def _way_to(weights: Weights, run: RunDir) -> str:
    if run.state() == "running":
        return "wait until it has finished"
    return f"medft merge run={run.quoted}" if weights == "merged" else f"medft train resume={run.quoted}"


def _base_name(chosen: RunModel) -> str:
    tiny = "-tiny" if chosen.resolved.scale == "tiny" else ""
    return f"{BASE} {chosen.model.name}{tiny}"
