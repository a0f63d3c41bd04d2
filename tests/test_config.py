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
    name: str = ""


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
        ({"count": "???"}, "setting 'count' is missing"),
        ({"count": "three"}, "'count' must be a whole number, not 'three'"),
        ({"count": True}, "'count' must be a whole number, not True"),
        ({"count": 1.5}, "'count' must be a whole number, not 1.5"),
        ({"count": 1, "flag": 1}, "'flag' must be true or false, not 1"),
        ({"count": 1, "mode": "aut"}, "'mode' cannot be 'aut'. Did you mean 'auto'?"),
        ({"count": 1, "inner": 3}, "'inner' must be a group of settings, not 3"),
        ({"count": 1, "inner": {"names": "a"}}, "'inner.names' must be a list"),
        ({"count": 1, "inner": {"rate": "fast"}}, "'inner.rate' must be a number, not 'fast'"),
        ({"count": 1, "name": ["a"]}, "'name' must be text, not ['a']"),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        build(Outer, values)
    assert expected in str(error.value)


@dataclass(frozen=True, slots=True)
class Member:
    size: int = 1
    inside: dict[str, "Member"] = field(default_factory=dict)
    rows: tuple[Inner, ...] = ()
    one: Inner | None = None
    run: str | tuple[str, ...] = ""
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError("'size' must be above 0", remedy="size=1")


def test_everything_wrong_is_reported_at_once_by_its_whole_key() -> None:
    values = {
        "inside": {"a": {"size": 0}, "b": {"inside": {"c": {"sizes": 2}}, "one": {"rat": 1}}},
        "rows": [{"rate": 1}, {"rate": "x"}],
        "run": {"x": 1},
        "share": True,
    }
    with pytest.raises(ConfigError) as error:
        build(Member, values, "top")
    assert str(error.value).splitlines() == [
        "6 settings are wrong",
        "  'size' must be above 0",
        "    fix:   size=1",
        "  unknown setting 'top.inside.b.inside.c.sizes'. Did you mean 'top.inside.b.inside.c.size'?",
        "  unknown setting 'top.inside.b.one.rat'. Did you mean 'top.inside.b.one.rate'?",
        "  'top.rows[1].rate' must be a number, not 'x'",
        "  'top.run' must be text or a list, as in [a,b], not {'x': 1}",
        "  'top.share' must be a number, not True",
    ]


def test_one_contradiction_is_the_dataclass_own_error() -> None:
    with pytest.raises(ConfigError) as error:
        build(Member, {"size": 0})
    assert (error.value.what, error.value.remedy) == ("'size' must be above 0", "size=1")


def test_what_a_command_line_means_is_understood() -> None:
    built = build(Outer, {"count": 1, "path": "~/x", "weights": None, "inner": {"names": [1, "b"]}})
    assert built.path == Path.home() / "x"
    assert built.weights == {}
    assert built.inner.names == ("1", "b")
    with pytest.raises(ConfigError, match="'path' must be a path, not ''"):
        build(Outer, {"count": 1, "path": ""})
    with pytest.raises(ConfigError, match="a name with a NUL in it"):
        build(Outer, {"count": 1, "path": "a\0b"})
