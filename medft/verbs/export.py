"""medft export: what was trained, for llama.cpp and Ollama, in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medft.errors import MedftError, MergeError
from medft.files import aside
from medft.format import size
from medft.merge.check import check_tensors
from medft.merge.checkpoint import read_object
from medft.merge.inputs import Inputs
from medft.merge.rounding import MergingConfig
from medft.merge.sidecar_files import CONFIG, GENERATION, as_ids
from medft.merge.stream import write
from medft.models.base_models import merging_base
from medft.overrides import Idle
from medft.publish.export import export_gguf, export_ollama, find_tools
from medft.publish.facts import read_facts
from medft.publish.preflight import check_merged
from medft.publish.prompts import Prompt, system_of
from medft.runs import RunDir, find_run
from medft.runs.record import RunRecord
from medft.runs.values import mapping
from medft.screen import Screen
from medft.verbs.train_config import TrainConfig

EXAMPLES = (
    "medft export quant=q4_k_m llama_cpp=~/llama.cpp",
    "medft export run=mistral-medquad format=ollama",
)
IDLE = tuple(
    Idle(key, lambda config: config.format == "gguf", "format=gguf") for key in ("quant", "llama_cpp")
)


@dataclass(frozen=True, slots=True)
class ExportConfig:
    """What is written for which client."""

    run: str = "latest"
    """The run: a folder, `latest`, or part of a run's name."""
    format: Literal["gguf", "ollama"] = "gguf"
    """gguf: one file by llama.cpp's tools; ollama: a Modelfile that points to merged/."""
    quant: str = "q4_k_m"
    """f32, f16, bf16, q8_0, or a quantisation of llama.cpp such as q4_k_m (gguf only)."""
    llama_cpp: Path | None = None
    """Folder of llama.cpp; null: $LLAMA_CPP, else the PATH."""
    artifacts: Path = Path("artifacts")
    """Where runs lie."""


def run(config: ExportConfig) -> None:
    """Write export/<quant>/ (or export/ollama/) in the run's folder, next to merged/ and apart from it.

    Raises:
        MedftError: there are no merged weights that passed their check, or a tool is missing or failed.
    """
    screen, found = Screen(), find_run(config.run, config.artifacts)
    facts = read_facts(found)
    check_merged(found, facts)
    system = system_of(facts.prompts)
    _show_prompts(facts.prompts, system, screen)
    name = found.root.parent.name
    if config.format == "ollama":
        written = export_ollama(found.merged, found.root / "export" / "ollama", system)
        screen.line("wrote", str(written))
        screen.line("next", f"ollama create {name.lower()} -f {written}")
        return
    tools = find_tools(config.quant, config.llama_cpp)
    folder = found.root / "export" / config.quant
    with _weights(found, config.quant, screen) as weights:
        written = export_gguf(
            weights, folder, name, config.quant, tools, lambda command: screen.line("runs", command), system
        )
    screen.line("wrote", f"{written} ({size(written.stat().st_size)}) and {folder / 'Modelfile'}")
    screen.line("next", f"llama-cli -m {written}")


@contextmanager
def _weights(run: RunDir, quant: str, screen: Screen) -> Iterator[Path]:
    """Base + adapter in float32, for as long as they are converted, so that they are rounded once; merged/
    for its own type, and where its base is not at hand."""
    dtype = read_object(run.merged / CONFIG).get("dtype")
    if quant == "bf16" and dtype == "bfloat16":
        yield run.merged
        return
    try:
        inputs = _exact(run)
    except MedftError as error:
        screen.line("note", f"{error.what}: quantised from merged/, which is rounded to {dtype}")
        yield run.merged
        return
    with aside(run.root / "export" / "float32") as folder:
        exact = folder / run.root.parent.name
        exact.mkdir()
        write(inputs, exact)
        check_tensors(inputs, exact)
        screen.line("from", "base + adapter in float32, not from the rounded weights of merged/")
        yield exact


def _exact(run: RunDir) -> Inputs:
    """What merged/ was made of, to be written in float32.

    Raises:
        MedftError: the adapter or the 16-bit base is not at hand, or merged/ rests on another base.
    """
    record = RunRecord(run)
    if mapping(record.summary, "merge").get("base_kind") != "16-bit":
        raise MergeError("merged/ does not rest on a 16-bit base")
    if not run.adapter.is_dir():
        raise MergeError("the adapter is not there")
    settings = record.built(TrainConfig)
    base = merging_base(settings.model, record.scale, settings.artifacts).folder
    stops = tuple(as_ids(read_object(run.merged / GENERATION).get("eos_token_id")))
    return Inputs(base, run.adapter, stops, merging=MergingConfig("nearest", "float32"))


def _show_prompts(prompts: tuple[Prompt, ...], system: str, screen: Screen) -> None:
    """What a Modelfile cannot hold: several system texts, and words that training put around a question."""
    if not system and any(prompt.system for prompt in prompts):
        screen.line(
            "note", "training used several system texts, so the Modelfile has none: send them yourself"
        )
    for prompt in prompts:
        if prompt.user != "{question}":
            screen.line("note", f"word questions of task {prompt.task} as in training: {prompt.user!r}")
