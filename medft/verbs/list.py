"""medft list: models, data sets and recipes, one line each; for models also whether they fit this
machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medft.compose import config_folders
from medft.config import build
from medft.errors import ConfigError
from medft.format import UNKNOWN, count, size
from medft.machine import Machine, probe
from medft.models.registry import ShapeConfig, lora_parameters, parameters, projections
from medft.own_settings import read_own
from medft.plan.resolve import SMALL
from medft.screen import Screen
from medft.training.config import TrainerConfig
from medft.training.memory import Batch, Workload
from medft.training.objective import estimate

EXAMPLES = ("medft list", "medft list models", "medft list datasets --config-dir my_conf")
PLAIN_WORDS = True
"""It takes words without a key."""

What = Literal["models", "datasets", "templates", "trainers", "suites", "experiments", "studies"]
_GROUPS: dict[What, str] = {
    "models": "model", "datasets": "dataset", "templates": "template", "trainers": "trainer",
    "suites": "suite", "experiments": "experiment", "studies": "study",
}  # fmt: skip
"""What is listed, and the folder of conf/ that holds it."""
_OTHER_KIND = "a value is of another kind than expected"
_RANK = 16  # of the default adapter


@dataclass(frozen=True, slots=True)
class ListConfig:
    """What to list."""

    what: What | None = None
    """models, datasets, templates, trainers, suites, experiments or studies; null: how many of each."""
    folders: tuple[Path, ...] = ()
    """Where their YAML files are looked for: conf/, and every --config-dir."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One YAML file of a group."""

    name: str
    """What chooses it."""
    reason: str
    """Its first line: what it is, or why to choose it."""
    values: dict[str, Any]
    """Its settings, without those that it takes from other files."""
    path: Path
    """The file."""


def expand(overrides: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """`medft list models` for `medft list what=models`; and the folders of the user's own files.

    Raises:
        ConfigError: more than one such word.
    """
    words = [word for word in overrides if "=" not in word]
    if len(words) > 1:
        raise ConfigError(
            f"one list at a time, not {len(words)}: {', '.join(words)}", remedy=f"medft list {words[0]}"
        )
    rest = [word for word in overrides if "=" in word]
    return rest, {"folders": config_folders(rest), **({"what": words[0]} if words else {})}


def run(config: ListConfig) -> None:
    """Read the YAML files of the group, and show a line of each."""
    screen = Screen()
    if config.what is None:
        rows = [[what, str(len(entries(what, config.folders))), f"medft list {what}"] for what in _GROUPS]
        screen.table(("group", "there are", "each with its reason"), rows)
        return
    table = {"models": _models, "datasets": _datasets, "templates": _templates}.get(config.what, _others)
    found = entries(config.what, config.folders)
    for entry in found:
        try:
            "".join(cell for row in table([entry])[1] for cell in row)  # every cell must be text
        except (ConfigError, TypeError, ValueError, AttributeError) as error:
            what = error.what if isinstance(error, ConfigError) else _OTHER_KIND
            raise ConfigError(what, where=str(entry.path), remedy="correct the file") from error
    columns, rows = table(found)
    screen.table(columns, rows, wrap=columns[-1:])


def entries(what: What, folders: Sequence[Path]) -> list[ListedFile]:
    """The YAML files of a group, by name."""
    files = [path for folder in folders for path in (folder / _GROUPS[what]).glob("*.yaml")]
    return [_read(path) for path in sorted(files, key=lambda path: path.stem)]


def _read(path: Path) -> ListedFile:
    values, text = read_own(path), path.read_text(encoding="utf-8")
    comments = (line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#"))
    reason = next((line for line in comments if not line.startswith("@package")), "")
    return ListedFile(path.stem, reason, values, path)


Table = tuple[tuple[str, ...], list[list[str]]]


def _models(found: Sequence[ListedFile]) -> Table:
    """Smallest first, those of unknown size last."""
    machine, rows = probe(), []
    for entry in found:
        shape = build(ShapeConfig, entry.values["shape"]) if entry.values.get("shape") else None
        weights = parameters(shape) if shape else None
        context = entry.values.get("context_length")
        cells = [entry.name, count(weights), entry.values.get("license", UNKNOWN), _tokens(context)]
        rows.append((weights or float("inf"), [*cells, here(shape, context, machine), entry.reason]))
    columns = ("model", "weights", "license", "context", "trains here", "why")
    return columns, [row for _, row in sorted(rows)]


def here(shape: ShapeConfig | None, context: int | None, machine: Machine) -> str:
    """In how many bits this machine can train a model, one row at a time, by the plan's formula."""
    if shape is None:
        return UNKNOWN
    free = max((gpu.usable_bytes for gpu in machine.gpus), default=machine.ram_available)
    needed = {bits: _needed(shape, context, machine, free, bits) for bits in (16, 4)}
    for bits, bytes_ in needed.items():
        if bytes_ <= free:
            slow = not machine.gpus and parameters(shape) > SMALL
            return f"in {bits} bits{', slowly' if slow else ''}"
    return f"no: needs {size(needed[4])}"


def _needed(shape: ShapeConfig, context: int | None, machine: Machine, free: int, bits: int) -> int:
    on_gpu, targets = bool(machine.gpus), tuple(projections(shape))
    row = Batch(1, min(context or TrainerConfig().max_length, TrainerConfig().max_length))
    return estimate(
        Workload(
            shape=shape, adapter=lora_parameters(shape, _RANK, targets), targets=targets, dtype="bfloat16",
            in_4bit=bits == 4, optimizer_bits=8, checkpointing="unsloth" if on_gpu else "standard",
            fused_lora=on_gpu, chunked_by="unsloth" if on_gpu else "plain", varlen=on_gpu, train=row,
            evaluate=row, free=free, on_gpu=on_gpu,
        )
    ).needed  # fmt: skip


def _tokens(context: int | None) -> str:
    """A context length as it is named: 4k, 32k, 128k."""
    return f"{context // 1024}k" if context else UNKNOWN


def _datasets(found: Sequence[ListedFile]) -> Table:
    rows = [
        [entry.name, entry.values.get("task", UNKNOWN), entry.values.get("license", UNKNOWN), entry.reason]
        for entry in found
    ]
    return ("dataset", "task", "license", "what it is"), rows


def _templates(found: Sequence[ListedFile]) -> Table:
    rows = [[entry.name, ", ".join(entry.values.get("tasks", ())), entry.reason] for entry in found]
    return ("template", "tasks", "what it is"), rows


def _others(found: Sequence[ListedFile]) -> Table:
    return ("name", "what it is"), [[entry.name, entry.reason] for entry in found]
