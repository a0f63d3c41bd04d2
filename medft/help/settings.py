"""The settings of a command as help lists them: key, value in effect, meaning, choices. Reads source text."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import textwrap
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from medft.config import plain

_LONGEST = 48  # characters of a value


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """One line of help."""

    key: str
    """Dotted."""
    value: Any
    """What is in effect unless the command line says otherwise."""
    meaning: str
    """The docstring of its field."""
    choices: tuple[str, ...] = ()
    """The only values there are; empty where any of its type will do."""

    @property
    def written(self) -> str:
        """``key=value``, as it stands on a command line."""
        return f"{self.key}={_written(self.value)}"


GIVEN = "..."
"""The value of a setting that the user must give."""


def walk(config: type, values: Mapping[str, Any], groups: frozenset[str]) -> list[Setting]:
    """All settings of the dataclass ``config``, nested ones by dotted key.

    Args:
        config: of a command.
        values: as composed; a setting that is not among them has its field's default.
        groups: the groups of conf/; one within another (a suite's data set) is not unfolded.
    """
    return list(_walk(config, values, "", frozenset(), groups))


def _walk(
    config: type, values: Mapping[str, Any], prefix: str, above: frozenset[type], groups: frozenset[str]
) -> Iterator[Setting]:
    words, hints = _field_words(config), typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        key, meaning = prefix + field.name, words.get(field.name, "")
        value = values.get(field.name, _default(field))
        inner = _inner(hints[field.name])
        if inner is None or inner in above:
            yield Setting(key, value, meaning, _choices(hints[field.name]))
        elif prefix and field.name in groups:
            yield Setting(key, value, f"{meaning} Settings as of the group {field.name}.")
        elif typing.get_origin(hints[field.name]) is dict:
            yield from _by_name(inner, value, (key, meaning), above | {config}, groups)
        elif value is None:
            yield Setting(key, None, meaning)
        else:
            nested = value if isinstance(value, Mapping) else {}
            yield from _walk(inner, nested, f"{key}.", above | {config}, groups)


def _by_name(
    inner: type, value: Any, told: tuple[str, str], above: frozenset[type], groups: frozenset[str]
) -> Iterator[Setting]:
    """The settings of the first of several things by name, which stand for those of the others."""
    key, meaning = told
    names = list(value) if isinstance(value, Mapping) else []
    yield Setting(key, names, meaning)
    if names:
        yield from _walk(inner, value[names[0]] or {}, f"{key}.{names[0]}.", above, groups)


def _inner(hint: Any) -> type | None:
    """The dataclass within a type, if there is one."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return hint
    return next((found for kind in typing.get_args(hint) if (found := _inner(kind))), None)


def _choices(hint: Any) -> tuple[str, ...]:
    kinds = [hint, *typing.get_args(hint)]
    literal = next((kind for kind in kinds if typing.get_origin(kind) is typing.Literal), None)
    return tuple(map(str, typing.get_args(literal))) if literal else ()


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return plain(field.default_factory()) if field.default_factory is not dataclasses.MISSING else GIVEN


def _written(value: Any) -> str:
    match value:
        case "???":
            return GIVEN
        case bool() | None:
            return {None: "null", True: "true", False: "false"}[value]
        case float():
            return f"{value:g}"
        case list() | tuple():
            text = f"[{','.join(map(_written, value))}]"
        case Mapping():
            text = f"{{{','.join(map(str, value))}}}" if value else "{}"
        case _:
            text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


@functools.cache
def _field_words(config: type) -> dict[str, str]:
    """The string literal after each annotated field, as Sphinx reads it."""
    body = ast.parse(textwrap.dedent(inspect.getsource(config))).body[0].body  # type: ignore[attr-defined]
    words = {}
    for node, after in itertools.pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr):
            words[node.target.id] = " ".join(ast.literal_eval(after.value).split())  # type: ignore[union-attr]
    return words
