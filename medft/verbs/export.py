"""medft export: merged weights for llama.cpp and Ollama, in a folder of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medft.format import size
from medft.overrides import Idle
from medft.publish.export import export_gguf, export_ollama, find_tools
from medft.publish.facts import read_facts
from medft.publish.preflight import check_merged
from medft.publish.prompts import Prompt, system_of
from medft.runs import find_run
from medft.screen import Screen

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
    written = export_gguf(
        found.merged, folder, name, config.quant, tools, lambda command: screen.line("runs", command), system
    )
    screen.line("wrote", f"{written} ({size(written.stat().st_size)}) and {folder / 'Modelfile'}")
    screen.line("next", f"llama-cli -m {written}")


def _show_prompts(prompts: tuple[Prompt, ...], system: str, screen: Screen) -> None:
    """What a Modelfile cannot hold: several system texts, and words that training put around a question."""
    if not system and any(prompt.system for prompt in prompts):
        screen.line(
            "note", "training used several system texts, so the Modelfile has none: send them yourself"
        )
    for prompt in prompts:
        if prompt.user != "{question}":
            screen.line("note", f"word questions of task {prompt.task} as in training: {prompt.user!r}")
