"""Composed settings -> frozen dataclasses, once and strictly.

Where to look for: ``build``, which reports all that is wrong with a command at once; ``plain``, its inverse;
``nearest`` and ``unknown_key``, which suggest the name that was probably meant.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import functools
import re
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any, TypeVar

from medft import other_tools
from medft.checked import LONGEST_NAME
from medft.errors import ConfigError
from medft.paths import expanded

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails, SchemaValidator

T = TypeVar("T")
_ALIKE = 0.72  # difflib's ratio: trian and train have 0.8, lr and lora 0.67
_WANTED = {
    "int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "string": "text",
    "is": "a path", "tuple": "a list, as in [a,b]", "dict": "a group of settings",
    "dataclass": "a group of settings", "finite": "a finite number",
}  # fmt: skip
_LONGEST_SHOWN = 120  # characters of a wrong value in a message
_HUGE = 10**30  # from which on an integer is not spelled out


def build(cls: type[T], values: Mapping[str, Any], key: str = "") -> T:
    """Build the dataclass ``cls`` from plain values, recursively.

    Args:
        cls: a dataclass; its fields may be scalars, ``Path``, ``Literal``, ``X | None``, ``tuple[X, ...]``,
            ``dict[str, X]`` and other dataclasses.
        values: nested mappings, sequences and scalars, as composed.
        key: dotted name of ``values`` within the whole configuration, for messages.

    Raises:
        ConfigError: unknown and missing keys, wrong types and contradictions: all of them, by dotted key.
    """
    from pydantic import ValidationError

    try:
        built: T = _validator(cls).validate_python(_given(values))  # type: ignore[arg-type]
    except ValidationError as failed:
        errors = [_explain(cls, wrong, key) for wrong in failed.errors(include_url=False)]
    else:
        return built
    if len(errors) == 1:
        raise errors[0]
    listed = "\n".join(indent(str(error), "  ") for error in errors)
    raise ConfigError(f"{len(errors)} settings are wrong\n{listed}")


def unknown_key(
    key: str, known: Iterable[str], everywhere: Collection[str] = (), value: object = None
) -> ConfigError:
    """The error for a key that nothing reads, with the setting that was meant, where that is plain.

    Args:
        key: dotted.
        known: the keys that there are at its place.
        everywhere: all keys of the command, dotted; empty where only ``known`` come into question.
        value: what the key was given.
    """
    parent, _, leaf = key.rpartition(".")
    leaves = [name.rpartition(".")[2] for name in known]
    what = f"unknown setting '{key}'"
    if meant := _called_here(key, everywhere):
        note = f" ({meant.note})" if meant.note else ""
        return ConfigError(
            f"{what}. It is called '{meant.key}' here{note}", remedy=meant.to_write(leaf, value)
        )
    if everywhere and (why := other_tools.reason(leaf)):
        return ConfigError(what, remedy=why)
    if elsewhere := [other for other in everywhere if other.rpartition(".")[2] == leaf and other != key]:
        return ConfigError(what + did_you_mean(elsewhere[0]), remedy=other_tools.written(elsewhere[0], value))
    if near := nearest(leaf, leaves):
        return ConfigError(what + did_you_mean(_dotted(parent, [near])))
    if far := nearest(leaf, [name.rpartition(".")[2] for name in everywhere]):
        far = next(name for name in everywhere if name.rpartition(".")[2] == far)
        return ConfigError(what + did_you_mean(far))
    return ConfigError(what, remedy=f"known settings there: {', '.join(sorted(leaves))}")


def _called_here(key: str, everywhere: Collection[str]) -> other_tools.Setting | None:
    """The setting of this command that another tool calls ``key``, or the last part of it."""
    leaf = key.rpartition(".")[2]
    meant = other_tools.called_here(leaf)
    known = meant is not None and any(f"{name}.".startswith(f"{meant.key}.") for name in everywhere)
    return meant if known and meant is not None and meant.key != key else None


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` is a slip of the pen for, or None: nothing far-fetched is suggested."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=_ALIKE)
    return matches[0] if matches else None


def did_you_mean(near: str | None) -> str:
    """What follows a name that is not known: the name that was probably meant, or nothing."""
    return f". Did you mean '{near}'?" if near else ""


def plain(value: Any) -> Any:
    """The inverse of ``build``: dataclasses -> dicts, tuples -> lists, paths -> strings; fit for YAML."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value)


def _given(values: Any) -> Any:
    """``values`` without those that OmegaConf marks as left for the user to give."""
    if not isinstance(values, Mapping):
        return values
    return {name: _given(value) for name, value in values.items() if value != "???"}


@functools.cache
def _validator(cls: type) -> SchemaValidator:
    """pydantic's validator of ``cls``, which refuses unknown keys at every depth."""
    from pydantic import ConfigDict, TypeAdapter
    from pydantic_core import SchemaValidator

    optional: Any = cls | None  # a dataclass alone would take no options from here
    options = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
    return SchemaValidator(_tighten(TypeAdapter(optional, config=options).core_schema))


def _tighten(node: Any) -> Any:
    """pydantic's schema, with the rules of a command line where pydantic's own differ."""
    if isinstance(node, list):
        return [_tighten(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "lax-or-strict":  # a path: the only such type among settings
        return _before(_home, {"type": "is-instance", "cls": Path})
    node = {name: _tighten(inner) for name, inner in node.items()}
    match node.get("type"):
        case "int" | "bool":
            return {**node, "strict": True}
        case "float":
            return _before(_number, {**node, "strict": True, "allow_inf_nan": False})
        case "dict":  # null is an empty one: only so can a command clear one that a file has filled
            return _before(lambda value: {} if value is None else value, node)
        case "literal":
            return _before(functools.partial(_word, node["expected"]), node)
        case "union":
            wanted = " or ".join(_WANTED[_kind(choice)] for choice in node["choices"])
            return {**node, "custom_error_type": "union", "custom_error_message": wanted}
    return node


def _kind(node: Any) -> str:
    """The type of a choice, beneath what is done before."""
    return str(node["type"]) if node["type"] in _WANTED else _kind(node["schema"])


def _before(function: Callable[[Any], Any], node: Any) -> dict[str, Any]:
    return {"type": "function-before", "function": {"type": "no-info", "function": function}, "schema": node}


def _home(value: Any) -> Any:
    if "\0" in str(value):
        raise ConfigError("no file can have a name with a NUL in it", where=str(value))
    return expanded(value) if value and isinstance(value, str | Path) else value


def _number(value: Any) -> Any:
    """YAML 1.1 reads 1e-4 as text."""
    with contextlib.suppress(ValueError):
        return float(value) if isinstance(value, str) else value
    return value


def _word(choices: Sequence[Any], value: Any) -> Any:
    """YAML reads off/on/no/yes as booleans; a choice spelt so is meant as the word."""
    words = ("on", "yes") if value else ("off", "no")
    return next((word for word in words if word in choices), value) if isinstance(value, bool) else value


def _explain(cls: type, wrong: ErrorDetails, key: str) -> ConfigError:
    """What pydantic found, in medft's words."""
    kind, value, place = wrong["type"], wrong["input"], wrong["loc"]
    name = _dotted(key, place)
    if kind == "value_error":  # by the dataclass itself
        error: ConfigError = wrong["ctx"]["error"]
        return error
    if kind == "unexpected_keyword_argument":
        return unknown_key(name, _names(cls, place[:-1]), tuple(keys(cls, key)), value)
    if kind == "missing":
        return ConfigError(f"setting '{name}' is missing", remedy=f"add {name}=... to the command")
    if kind == "literal_error":
        choices = re.findall(r"'(.*?)'", wrong["ctx"]["expected"])
        instead = other_tools.instead(name, value)
        near = None if instead else nearest(str(value), choices)
        return ConfigError(
            f"'{name}' cannot be {value!r}" + did_you_mean(near),
            remedy="; ".join(filter(None, (instead, f"choose one of: {', '.join(choices)}"))),
        )
    if kind.startswith(("greater_than", "less_than", "string_pattern", "string_too")):
        wanted = _range(wrong)
        return ConfigError(f"'{name}' must be {wanted}, not {_shown(value)}", remedy=f"{name}=<{wanted}>")
    wanted = _WANTED.get(kind.partition("_")[0], wrong["msg"])
    return ConfigError(f"'{name}' must be {wanted}, not {_shown(value)}")


def _range(wrong: ErrorDetails) -> str:
    """What a value that has the right type must be besides (``checked``)."""
    words = {"gt": "above {:,}", "ge": "at least {:,}", "lt": "below {:,}", "le": "at most {:,}"}
    limits = wrong.get("ctx", {})
    for short, text in words.items():
        if short in limits:
            return text.format(limits[short])
    return f"a name of up to {LONGEST_NAME} letters, digits, and . _ + - after the first of them"


def _shown(value: object) -> str:
    """A value in a message: a long one in part."""
    if isinstance(value, int) and abs(value) >= _HUGE:
        return "a number of that size"
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def keys(cls: type, prefix: str = "", above: frozenset[type] = frozenset()) -> Iterator[str]:
    """The dotted keys of all settings within ``cls``; of a dictionary its own alone."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        name = _dotted(prefix, [field.name])
        hint = hints[field.name]
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        inner = next((kind for kind in kinds if dataclasses.is_dataclass(kind)), None)
        if isinstance(inner, type) and inner not in above:
            yield from keys(inner, name, above | {cls})
        else:
            yield name


def _names(cls: type, place: Sequence[int | str]) -> list[str]:
    """The settings that are known at ``place`` within ``cls``."""
    kind: Any = cls
    for name in place:
        if dataclasses.is_dataclass(kind):
            kind = typing.get_type_hints(kind)[str(name)]
        else:  # dict[str, X] or tuple[X, ...]
            kind = typing.get_args(kind)[1 if isinstance(name, str) else 0]
        if isinstance(kind, types.UnionType):
            kind = next(inner for inner in typing.get_args(kind) if inner is not type(None))
    return [field.name for field in dataclasses.fields(kind) if field.init]


def _dotted(key: str, place: Iterable[int | str]) -> str:
    for name in place:
        if name == "[key]":  # of a dict: the name itself is wrong
            continue
        key = f"{key}[{name}]" if isinstance(name, int) else f"{key}.{name}".removeprefix(".")
    return key
