"""Help of one command, made from its settings: the docstring of every field is its help.

Owns the layout of ``medft <command> --help``. Reads source text, imports no library.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import shutil
import textwrap
import typing
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any


def verb_help(verb: str, summary: str, module: ModuleType, groups: Mapping[str, Sequence[str]]) -> str:
    """The help text of ``verb``; ``groups`` are all there are, with their options."""
    config = getattr(module, f"{verb.capitalize()}Config")
    width = min(shutil.get_terminal_size().columns, 120)
    lines = [f"medft {verb}: {summary}", "", "examples"]
    lines += [f"  {example}" for example in module.EXAMPLES]
    groups = {name: options for name, options in groups.items() if name in _names(config)}
    if groups:
        lines += ["", "groups (choose one file of conf/<group>/ each)"]
        lines += [_row(name, " | ".join(options), 14, width) for name, options in groups.items()]
    lines += ["", "settings"]
    lines += [_row(key, text, 38, width) for key, text in _settings(config, "", set())]
    return "\n".join(lines)


def _row(left: str, right: str, column: int, width: int) -> str:
    indent = " " * (column + 2)
    text = textwrap.fill(right, width, initial_indent=indent, subsequent_indent=indent)
    return f"  {left:<{column - 1}} " + text.lstrip() if len(left) < column else f"  {left}\n{text}"


def _names(config: type) -> set[str]:
    return {field.name for field in dataclasses.fields(config)}


def _settings(config: type, prefix: str, above: set[type]) -> Iterator[tuple[str, str]]:
    """Dotted keys with their meaning, nested dataclasses after the plain fields' order."""
    words, hints = _field_words(config), typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        inner = next((kind for kind in _kinds(hints[field.name]) if dataclasses.is_dataclass(kind)), None)
        if inner is None:
            yield prefix + field.name, words.get(field.name, "") + _default(field)
        elif hints[field.name] is inner and inner not in above:
            yield from _settings(inner, f"{prefix}{field.name}.", above | {config})
        else:
            yield f"{prefix}{field.name}", words.get(field.name, "")


def _kinds(hint: Any) -> Iterator[Any]:
    yield hint
    for argument in typing.get_args(hint):
        yield from _kinds(argument)


def _default(field: dataclasses.Field[Any]) -> str:
    simple = isinstance(field.default, str | int | float | bool) and field.default != ""
    return f" [{field.default}]" if simple else ""


def _field_words(config: type) -> dict[str, str]:
    """The string literal after each annotated field, as Sphinx reads it."""
    body = ast.parse(textwrap.dedent(inspect.getsource(config))).body[0].body  # type: ignore[attr-defined]
    words = {}
    for node, after in itertools.pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr):
            words[node.target.id] = " ".join(ast.literal_eval(after.value).split())  # type: ignore[union-attr]
    return words
