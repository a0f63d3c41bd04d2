"""Metrics of a user's own: a function of answer and reference, named in a suite's YAML."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable
from importlib.metadata import entry_points
from numbers import Real
from pathlib import Path
from types import ModuleType

from medft.errors import ConfigError

ENTRY_POINTS = "medft.metrics"
"""The group of entry points that an installed package offers metrics under."""
Function = Callable[[str, str], float]
"""A metric of an answer against its reference."""


def load(name: str, function: str) -> Function:
    """The function that a suite's metric ``name`` is computed by.

    Args:
        name: what the metric is called.
        function: ``file.py:function``, ``package.module:function``, or the name of an entry point of the
            group ``medft.metrics``.

    Raises:
        ConfigError: there is none, or what there is cannot be called.
    """
    module, _, attribute = function.rpartition(":")
    try:
        found = getattr(_module(module), attribute) if module else _entry_point(function)
    except Exception as error:  # whatever a module of somebody else raises when it is imported
        raise _wrong(name, function, f"{type(error).__name__}: {error}") from error
    if not callable(found):
        raise _wrong(name, function, "it is not a function")

    def of(answer: str, reference: str) -> float:
        value = found(answer, reference)
        if not isinstance(value, Real) or not math.isfinite(value):
            raise _wrong(name, function, f"it returned {value!r}, which is not a finite number")
        return float(value)

    return of


def _module(name: str) -> ModuleType:
    path = Path(name)
    if path.suffix != ".py":
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _entry_point(name: str) -> object:
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        return entry.load()
    raise LookupError(f"no package provides an entry point of this name in the group {ENTRY_POINTS}")


def _wrong(name: str, function: str, why: str) -> ConfigError:
    return ConfigError(
        f"the metric '{name}' cannot be computed by '{function}' ({why})",
        where=f"suite.<name>.metrics.{name}.function",
        remedy="file.py:function or package.module:function, with answer and reference as its two arguments",
    )
