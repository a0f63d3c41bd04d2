"""Limits of the house: a function fits on a screen, and its call on a line or two."""

from __future__ import annotations

import ast
from pathlib import Path

MEDFT = Path(__file__).parents[1] / "medft"
LINES, PARAMETERS = 60, 7


def test_no_function_is_long_and_none_takes_many_parameters() -> None:
    wrong = [
        f"{path.relative_to(MEDFT)}:{node.lineno} {node.name}: {lines} lines, {taken} parameters"
        for path in sorted(MEDFT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for lines, taken in [((node.end_lineno or 0) - node.lineno + 1, _parameters(node.args))]
        if lines > LINES or taken > PARAMETERS
    ]
    assert wrong == []


def _parameters(args: ast.arguments) -> int:
    """How many there are, ``self`` and ``cls`` aside."""
    named = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    return sum(a.arg not in ("self", "cls") for a in named) + sum(map(bool, (args.vararg, args.kwarg)))
