"""medft export: what was trained, for llama.cpp, Ollama and vLLM, in a folder of its own."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medft.errors import ConfigError, MedftError, MergeError, RunError
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
from medft.publish.vllm import MODULES, SERVE, TEMPLATE, Served, export_vllm
from medft.runs import RunDir, find_run
from medft.runs.record import RunRecord
from medft.runs.values import mapping
from medft.screen import Screen
from medft.verbs.train_config import TrainConfig

EXAMPLES = (
    "medft export quant=q4_k_m llama_cpp=~/llama.cpp",
    "medft export run=mistral-medquad format=ollama",
    "medft export run=[mistral-medquad,mistral-wikidoc] format=vllm",
)
IDLE = tuple(
    Idle(key, lambda config: config.format == "gguf", "format=gguf") for key in ("quant", "llama_cpp")
)


@dataclass(frozen=True, slots=True)
class ExportConfig:
    """What is written for which client."""

    run: str | tuple[str, ...] = "latest"
    """The run: a folder, `latest`, or part of a run's name; for vllm also several runs of one base."""
    format: Literal["gguf", "ollama", "vllm"] = "gguf"
    """gguf: one file, made by llama.cpp's tools; ollama: a Modelfile that points to merged/; vllm: a script
    that serves the base with the adapters of the runs."""
    quant: str = "q4_k_m"
    """f32, f16, bf16, q8_0, or a quantisation of llama.cpp such as q4_k_m (gguf only)."""
    llama_cpp: Path | None = None
    """Folder of llama.cpp; null: $LLAMA_CPP, else the PATH."""
    artifacts: Path = Path("artifacts")
    """Folder of the runs."""


def run(config: ExportConfig) -> None:
    """Write export/<quant>/ (or export/ollama/) in the run's folder, next to merged/ and apart from it.

    Raises:
        MedftError: there are no merged weights that passed their check, or a tool is missing or failed.
    """
    screen = Screen()
    names = (config.run,) if isinstance(config.run, str) else config.run
    if config.format == "vllm":
        _vllm([find_run(name, config.artifacts) for name in names], screen)
        return
    if len(names) != 1:
        raise ConfigError(
            f"format={config.format} takes one run, not {len(names)}",
            remedy="one command for each; format=vllm serves several",
        )
    found = find_run(names[0], config.artifacts)
    facts = read_facts(found)
    check_merged(found, facts)
    system = system_of(facts.prompts)
    _show_prompts(facts.prompts, system, screen)
    name = _file_name(found)
    if config.format == "ollama":
        written = export_ollama(found.merged, found.root / "export" / "ollama", system)
        screen.line("wrote", str(written))
        screen.line("next", f"ollama create {name.lower()} -f {written}")
        return
    tools = find_tools(config.quant, config.llama_cpp)
    folder = found.root / "export" / config.quant
    with _weights(found, config.quant, screen) as weights:
        written = export_gguf(weights, folder, name, config.quant, tools, screen.line, system)
    screen.line("wrote", f"{written} ({size(written.stat().st_size)}) and {folder / 'Modelfile'}")
    screen.line("next", f"llama-cli -m {written}")


def _file_name(run: RunDir) -> str:
    """What the exported model is called: the model and its data, wherever the run's folder lies."""
    known = RunRecord(run).identity
    tiny = "tiny" if known.tiny else ""
    return "-".join(filter(None, (known.model, tiny, known.dataset)))


def _vllm(runs: list[RunDir], screen: Screen) -> None:
    """What vLLM needs to serve the adapters of runs, into the first one's folder."""
    bases = {_serving_base(run) for run in runs}
    if len(bases) != 1:
        listed = ", ".join(sorted(str(base) for base in bases))
        raise ConfigError("one server has one base", where=listed, remedy="a server for each base")
    facts = [read_facts(run) for run in runs]
    served = [
        Served(run.name.replace("/", "-"), run.adapter, known.prompts)
        for run, known in zip(runs, facts, strict=True)
    ]
    folder = runs[0].root / "export" / "vllm"
    command = export_vllm(bases.pop(), facts[0].base_16bit, served, folder)
    for one in served:
        screen.line("adapter", one.name, f"rank {one.rank}, {one.folder}")
        for prompt in one.prompts:
            if prompt.system:
                screen.line(
                    "note", f"vLLM sends no system text; for task {prompt.task}, send:  {prompt.system!r}"
                )
        _show_wordings(one.prompts, screen)
    wordings = sum(len(one.prompts) for one in served)
    screen.line("checked", f"token ids of {wordings} prompts match those of training")
    screen.line("wrote", f"{folder / SERVE}, {MODULES}, {TEMPLATE}")
    screen.line("runs", shlex.join(command))
    screen.line("next", f"{folder / SERVE}   where vLLM is installed")


def _serving_base(run: RunDir) -> Path:
    """The 16-bit base of a run that has an adapter."""
    if not (run.adapter / "adapter_config.json").is_file():
        raise RunError(
            "this run has no adapter", where=str(run.root), remedy=f"medft train resume={run.quoted}"
        )
    record = RunRecord(run)
    settings = record.built(TrainConfig)
    return merging_base(settings.model, record.scale, settings.artifacts).folder


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
        exact = folder / "model"
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
        raise MergeError("merged/ was not made from a 16-bit base")
    if not run.adapter.is_dir():
        raise MergeError("the adapter is missing")
    settings = record.built(TrainConfig)
    base = merging_base(settings.model, record.scale, settings.artifacts).folder
    stops = tuple(as_ids(read_object(run.merged / GENERATION).get("eos_token_id")))
    return Inputs(base, run.adapter, stops, merging=MergingConfig("nearest", "float32"))


def _show_prompts(prompts: tuple[Prompt, ...], system: str, screen: Screen) -> None:
    """What a Modelfile cannot hold: several system texts, and words that training put around a question."""
    if not system and any(prompt.system for prompt in prompts):
        screen.line(
            "note",
            "training used several system texts, so the Modelfile has none: send the right one with "
            "each question",
        )
    _show_wordings(prompts, screen)


def _show_wordings(prompts: tuple[Prompt, ...], screen: Screen) -> None:
    for prompt in prompts:
        if prompt.user != "{question}":
            screen.line("note", f"phrase questions of task {prompt.task} as in training:  {prompt.user!r}")
