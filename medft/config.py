"""Composed settings -> frozen dataclasses, once and strictly.

Owns the rule that a key no dataclass knows, a value of the wrong type or a missing value is an error that
names the key and the nearest known one. Knows nothing of Hydra, files or of what any setting means;
contradictions between settings are checked by the dataclasses themselves, in ``__post_init__``.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from medft.errors import ConfigError

T = TypeVar("T")


def build(cls: type[T], values: Mapping[str, Any], key: str = "") -> T:
    """Build the dataclass ``cls`` from plain values, recursively.

    Args:
        cls: a dataclass; its fields may be scalars, ``Path``, ``Literal``, ``X | None``, ``tuple[X, ...]``,
            ``dict[str, X]`` and other dataclasses.
        values: nested mappings, sequences and scalars, as composed.
        key: dotted name of ``values`` within the whole configuration, for messages.

    Raises:
        ConfigError: unknown key, missing key or wrong type; the message names the dotted key.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            raise unknown_key(_join(key, str(name)), [_join(key, known) for known in fields])
    built = {}
    for name, field in fields.items():
        if name in values:
            built[name] = _convert(hints[name], values[name], _join(key, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(
                f"setting '{_join(key, name)}' is missing", remedy=f"add {_join(key, name)}=..."
            )
    return cls(**built)


def unknown_key(key: str, known: Iterable[str]) -> ConfigError:
    """The error for a key that nothing reads, with the nearest known key as a suggestion."""
    known = list(known)
    near = nearest(key, known)
    parent = key.rpartition(".")[0]
    leaves = ", ".join(
        sorted({name.rpartition(".")[2] for name in known if name.rpartition(".")[0] == parent})
    )
    return ConfigError(
        f"unknown setting '{key}'." + (f" Did you mean '{near}'?" if near else ""),
        remedy="" if near else f"known settings there: {leaves}",
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to ``name`` by difflib's ratio, or None when nothing is similar."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def plain(value: Any) -> Any:
    """The inverse of ``build``: dataclasses -> dicts, tuples -> lists, paths -> strings; fit for YAML."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _convert(kind: Any, value: Any, key: str) -> Any:
    if value == "???":
        raise ConfigError(f"setting '{key}' has no value", remedy=f"add {key}=... to the command")
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return _union(args, value, key)
    if origin is Literal:
        return _literal(args, value, key)
    if origin is tuple:
        return tuple(_convert(args[0], item, f"{key}[{i}]") for i, item in enumerate(_sequence(value, key)))
    if origin is dict:  # null is an empty one: only so can an override add names to it
        values = _mapping({} if value is None else value, key)
        return {name: _convert(args[1], item, _join(key, name)) for name, item in values.items()}
    if dataclasses.is_dataclass(kind):
        return build(typing.cast(type[Any], kind), _mapping(value, key), key)
    return _scalar(kind, value, key)


def _union(args: tuple[Any, ...], value: Any, key: str) -> Any:
    if value is None and type(None) in args:
        return None
    failures: list[ConfigError] = []
    for kind in sorted((a for a in args if a is not type(None)), key=lambda a: a is float):
        try:
            return _convert(kind, value, key)
        except ConfigError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    raise _wrong(key, value, " or ".join(_name(a) for a in args))


def _literal(args: tuple[Any, ...], value: Any, key: str) -> Any:
    # YAML reads off/on/no/yes as booleans; a choice spelt so is meant as the word.
    words = {False: ("off", "no"), True: ("on", "yes")}.get(value, ()) if isinstance(value, bool) else ()
    for choice in args:
        if (choice == value and type(choice) is type(value)) or choice in words:
            return choice
    choices = [str(a) for a in args]
    near = nearest(str(value), choices)
    raise ConfigError(
        f"'{key}' cannot be {value!r}." + (f" Did you mean '{near}'?" if near else ""),
        remedy=f"choose one of: {', '.join(choices)}",
    )


def _scalar(kind: Any, value: Any, key: str) -> Any:
    if kind is Any:
        return value
    if kind is Path and isinstance(value, str | Path) and str(value):
        return Path(value).expanduser()
    if kind is float and isinstance(value, str):  # YAML 1.1 reads 1e-4 as a string
        try:
            return float(value)
        except ValueError:
            raise _wrong(key, value, "a number") from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    if kind is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise _wrong(key, value, _name(kind))


def _sequence(value: Any, key: str) -> Sequence[Any]:
    if isinstance(value, list | tuple):
        return value
    raise _wrong(key, value, "a list, as in [a,b]")


def _mapping(value: Any, key: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise _wrong(key, value, "a group of settings")


def _name(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path"}
    return names.get(kind, "null" if kind is type(None) else str(getattr(kind, "__name__", kind)))


def _wrong(key: str, value: Any, wanted: str) -> ConfigError:
    return ConfigError(f"'{key}' must be {wanted}, not {value!r}", remedy=f"set {key}=... accordingly")
