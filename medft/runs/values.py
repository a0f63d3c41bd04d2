"""Json in files that anybody may have edited: what is missing or of another type reads as empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medft.aliases import Json


def mapping(values: Json, key: str) -> Json:
    """The group under ``key``; empty when it is missing or no group."""
    value = values.get(key)
    return value if isinstance(value, Mapping) else {}


def mappings(values: Json, key: str) -> list[Json]:
    """The groups in the list under ``key``; empty when it is missing or no list."""
    value = values.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def number(values: Json, key: str) -> float | None:
    """The number under ``key``; None when it is missing or not a number."""
    value = values.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def flag(values: Json, key: str) -> bool:
    """Whether the value under ``key`` is true; not where it is missing or no truth value."""
    return values.get(key) is True


def text(value: object) -> str:
    """A scalar in words; empty for null and for groups."""
    return "" if value is None or isinstance(value, Mapping | list) else str(value)


def strings(value: object) -> tuple[str, ...]:
    """A list of texts; a single text counts as one, a group as ``key: value`` lines."""
    if isinstance(value, Mapping):
        return tuple(f"{key}: {item}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(str(item) for item in value)
    return (str(value),) if value else ()


def flatten(values: Json, prefix: str = "") -> dict[str, object]:
    """Nested values by dotted key; lists stay whole, empty groups vanish."""
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
