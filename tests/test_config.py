"""Strict building of settings."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from medft.config import build, plain
from medft.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Inner:
    rate: float = 0.1
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outer:
    count: int
    inner: Inner = field(default_factory=Inner)
    mode: Literal["off", "on", "auto"] = "auto"
    path: Path | None = None
    weights: dict[str, float] = field(default_factory=dict)
    flag: bool = False


def test_builds_nested_values_with_their_types() -> None:
    values = {
        "count": 3, "inner": {"rate": "1e-4", "names": ["a", "b"]}, "mode": False, "path": "x/y",
        "weights": {"a": 1},
    }  # fmt: skip
    built = build(Outer, values)
    assert built == Outer(3, Inner(1e-4, ("a", "b")), "off", Path("x/y"), {"a": 1.0})
    assert isinstance(built.weights["a"], float)


def test_plain_is_the_inverse_of_build() -> None:
    outer = Outer(3, Inner(0.5, ("a",)), "on", Path("x"), {"w": 0.25}, True)
    assert build(Outer, plain(outer)) == outer


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"count": 1, "inner": {"rat": 1}}, "unknown setting 'inner.rat'. Did you mean 'inner.rate'?"),
        ({"count": 1, "zzz": 1}, "unknown setting 'zzz'"),
        ({}, "setting 'count' is missing"),
        ({"count": "???"}, "setting 'count' has no value"),
        ({"count": "three"}, "'count' must be a whole number, not 'three'"),
        ({"count": True}, "'count' must be a whole number, not True"),
        ({"count": 1.5}, "'count' must be a whole number, not 1.5"),
        ({"count": 1, "flag": 1}, "'flag' must be true or false, not 1"),
        ({"count": 1, "mode": "aut"}, "'mode' cannot be 'aut'. Did you mean 'auto'?"),
        ({"count": 1, "inner": 3}, "'inner' must be a group of settings, not 3"),
        ({"count": 1, "inner": {"names": "a"}}, "'inner.names' must be a list"),
        ({"count": 1, "inner": {"rate": "fast"}}, "'inner.rate' must be a number, not 'fast'"),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        build(Outer, values)
    assert expected in str(error.value)
