"""The floors of the house: no room imports one that stands on its own floor or above."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOORS = (
    (
        "__init__",
        "errors",
        "paths",
        "machine",
        "format",
        "aliases",
        "other_tools",
        "checked",
        "signals",
    ),
    ("files", "screen", "config", "ranks", "slurm", "explain", "overrides", "model_words"),
    ("own_settings",),
    ("runs",),
    ("data",),
    ("prompt",),
    ("models",),
    ("engine",),
    ("training",),
    ("plan",),
    ("compose", "first_contact", "merge", "report", "inference"),
    ("evaluation", "publish"),
    ("sweep", "help"),
    ("study",),
    ("verbs",),
    ("cli",),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def test_every_room_has_a_floor() -> None:
    rooms = {path.stem for path in (ROOT / "medft").glob("*.py")}
    rooms |= {path.parent.name for path in (ROOT / "medft").glob("*/__init__.py")}
    assert rooms == set(LEVEL)


def test_no_import_runs_back_up() -> None:
    wrong = [
        f"{module} imports medft.{room}"
        for path in sorted((ROOT / "medft").rglob("*.py"))
        for module in [".".join(path.relative_to(ROOT).with_suffix("").parts)]
        for room in _imported(path)
        if room != module.split(".")[1] and LEVEL[room] >= LEVEL[module.split(".")[1]]
    ]
    assert wrong == []


def test_no_two_files_of_a_room_import_each_other() -> None:
    files = {
        ".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in sorted((ROOT / "medft").rglob("*.py"))
    }
    arrows = {name: _modules(path) & files.keys() for name, path in files.items()}
    assert [(a, b) for a, targets in arrows.items() for b in targets if a < b and a in arrows[b]] == []


def _imported(path: Path) -> set[str]:
    return {f"{module}.__init__".split(".")[1] for module in _modules(path)}


def _modules(path: Path) -> set[str]:
    return set(_walk(ast.parse(path.read_text(encoding="utf-8"))))


def _walk(tree: ast.Module) -> Iterator[str]:
    """The modules of medft that a file imports; ``from medft.x import y`` may mean ``medft.x.y``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "medft":
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                is_file = (ROOT / (inner.replace(".", "/") + ".py")).is_file()
                is_room = (ROOT / inner.replace(".", "/") / "__init__.py").is_file()
                yield inner if is_file or is_room else node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "medft")
