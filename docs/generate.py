"""Write the generated parts of docs/: the tree, tables of models and of other tools' names, the notebook.

Each is in its page between <!-- NAME --> and <!-- /NAME -->. `make docs` runs this; a test holds it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from medft import other_tools
from medft.config import build
from medft.engine.base import EngineConfig, LoraConfig
from medft.format import count
from medft.machine import Gpu, Machine
from medft.models.registry import Dtype, ModelConfig, ShapeConfig, lora_parameters, parameters, projections
from medft.paths import conf_dir
from medft.plan.cost import EFFICIENCY, PASSES
from medft.plan.fit import Recipe
from medft.plan.flops import flops_per_token, peak_flops
from medft.plan.lengths import Lengths
from medft.plan.request import Request, memory_of
from medft.plan.resolve import Resolved
from medft.training.config import TrainerConfig

DOCS = Path(__file__).parent
ROOT = DOCS.parent
CARDS = (  # as drivers call them, GB that they have, compute capability
    ("Tesla T4", 16, (7, 5)),
    ("RTX 4090", 24, (8, 9)),
    ("A100", 40, (8, 0)),
    ("H100", 80, (9, 0)),
    ("H200", 141, (9, 0)),
)
_LENGTH, _ROWS = 2048, 2  # of the published recipe
_USABLE = 0.95  # of a card's memory: the driver and a desktop take some


def tree() -> str:
    """Every file of the package with the first words of its docstring."""
    lines = ["```", *_lines(ROOT / "medft", 0), "```"]
    return "\n".join(lines) + "\n"


def _lines(folder: Path, depth: int) -> Iterator[str]:
    yield f"{'  ' * depth + folder.name + '/':<30}{_first_sentence(folder / '__init__.py')}"
    for path in sorted(folder.iterdir(), key=lambda p: (p.is_dir(), p.name)):
        if path.is_dir() and (path / "__init__.py").is_file():
            yield from _lines(path, depth + 1)
        elif path.suffix == ".py" and not path.name.startswith("__"):
            yield f"{'  ' * (depth + 1) + path.name:<30}{_first_sentence(path)}"


def _first_sentence(path: Path) -> str:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(doc.split("\n\n")[0].split())


def memory() -> str:
    """What each model needs, on the smallest card that has it."""
    head = ("model", "weights", "QLoRA", "QLoRA, 512 tokens", "LoRA, 16 bits", "smallest card: QLoRA", "LoRA")
    rows = []
    for model in _models():
        cards = {bits: _smallest(model, bits) for bits in (4, 16)}
        sizes = [
            f"{_needed(model, cards[bits] or 'H200', bits, length):.1f} GB"
            for bits, length in ((4, _LENGTH), (4, 512), (16, _LENGTH))
        ]
        named = [card or "none of these" for card in cards.values()]
        rows.append([f"`{model.name}`", count(parameters(_shape(model))), *sizes, *named])
    return _table(head, rows)


def _smallest(model: ModelConfig, bits: int) -> str | None:
    return next((name for name, gb, _ in CARDS if _needed(model, name, bits) <= _USABLE * gb), None)


def time() -> str:
    """How long a million tokens take on each card."""
    head = ("model", *(f"{name}, {gb} GB" for name, gb, _ in CARDS))
    rows = []
    for model in _models():
        fits = [_needed(model, name, 4) <= _USABLE * gb for name, gb, _ in CARDS]
        cells = [_minutes(model, name) if fit else "-" for fit, (name, _, _) in zip(fits, CARDS, strict=True)]
        rows.append([f"`{model.name}`", *cells])
    return _table(head, rows)


def _minutes(model: ModelConfig, card: str) -> str:
    peak = peak_flops(card, _dtype(model, card))
    if peak is None:  # computed in float32, where tensor cores do not help
        return "not known"
    shape = _shape(model)
    each = flops_per_token(shape, lora_parameters(shape, LoraConfig().r, tuple(projections(shape))), 512)
    minutes = 1e6 * each * PASSES["unsloth"] / 2 / (EFFICIENCY * peak) / 60
    return f"{minutes:.0f} min" if minutes >= 10 else f"{minutes:.1f} min"


def _needed(model: ModelConfig, card: str, bits: int, length: int = _LENGTH) -> float:
    """GB by the plan's formula: the published recipe's batch, Unsloth and its checkpointing."""
    name, gb, capability = next(each for each in CARDS if each[0] == card)
    gpu = Gpu(name, int(gb * 1e9), None, capability)
    machine = Machine((gpu,), cpu_cores=8, ram_total=64_000_000_000, ram_available=64_000_000_000)
    resolved = Resolved("unsloth", "full", _dtype(model, card), "unsloth", bits == 4, {})
    trainer = TrainerConfig(max_length=length, per_device_batch_size=_ROWS)
    rows = Lengths((length,) * 8, (length,) * 8, (length,) * 8, exact=False)
    request = Request(
        model, trainer, LoraConfig(), EngineConfig(), _shape(model), rows, Path("artifacts"), merge=True
    )
    needs = memory_of(request, resolved, machine)
    return needs(Recipe(trainer, "unsloth", bits == 4)).needed / 1e9 if needs else float("inf")


def _dtype(model: ModelConfig, card: str) -> Dtype:
    if next(capability for name, _, capability in CARDS if name == card) >= (8, 0):
        return "bfloat16"
    return "float32" if model.forbids_float16 else "float16"


def _shape(model: ModelConfig) -> ShapeConfig:
    if model.shape is None:
        raise ValueError(f"conf/model/{model.name}.yaml has no shape")
    return model.shape


def _models() -> list[ModelConfig]:
    """The shipped models whose sizes are known, smallest first."""
    files = [path for path in sorted((conf_dir() / "model").glob("*.yaml")) if path.stem != "custom"]
    found = [build(ModelConfig, yaml.safe_load(path.read_text(encoding="utf-8"))) for path in files]
    return sorted((m for m in found if m.shape), key=lambda m: parameters(_shape(m)))


def names() -> str:
    """What other tools call our settings."""
    rows = [
        [
            f"`{setting.key}`",
            *(_names(setting.names[tool], setting.key) for tool in other_tools.TOOLS),
            setting.note,
        ]
        for setting in other_tools.settings()
        if any(setting.names[tool] for tool in other_tools.TOOLS)
    ]
    return _table(("here", *other_tools.TOOLS.values(), "what differs"), rows)


def _names(theirs: Sequence[str], ours: str) -> str:
    return ", ".join("same" if name == ours else f"`{name}`" for name in theirs)


def unmatched() -> str:
    """What other tools can set and medft decides."""
    rows = [[", ".join(f"`{name}`" for name in names), say] for names, say in other_tools.unmatched()]
    return _table(("elsewhere", "here"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "architecture.md": {"tree": tree},
    "models.md": {"memory": memory, "time": time},
    "coming-from.md": {"names": names, "unmatched": unmatched},
}


def page(name: str) -> str:
    """A page with its generated parts as they should be."""
    text = (DOCS / name).read_text(encoding="utf-8")
    for block, make in PAGES[name].items():
        begin, end = f"<!-- {block} -->\n", f"<!-- /{block} -->"
        head, rest = text.split(begin)
        text = head + begin + make() + end + rest.split(end)[1]
    return text


def notebook() -> str:
    """docs/notebook.ipynb: the page first-run.md, whose command lines are cells."""
    parts = re.split(
        r"^```(\w*)\n(.*?)^```\n", (DOCS / "first-run.md").read_text(encoding="utf-8"), flags=re.M | re.S
    )
    cells = [_cell("markdown", parts[0])]
    for language, code, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        if language == "sh":
            cells.append(_cell("code", "".join(f"!{line}\n" for line in code.splitlines())))
        elif language == "python":
            cells.append(_cell("code", code))
        else:
            cells.append(_cell("markdown", f"```{language}\n{code}```"))
        cells.append(_cell("markdown", text))
    cells = [{**cell, "id": f"cell-{number}"} for number, cell in enumerate(cells) if cell["source"]]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, text: str) -> dict[str, object]:
    source = text.strip().splitlines(keepends=True)
    code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": source, **code}


if __name__ == "__main__":
    for name in PAGES:
        (DOCS / name).write_text(page(name), encoding="utf-8")
    (DOCS / "notebook.ipynb").write_text(notebook(), encoding="utf-8")
