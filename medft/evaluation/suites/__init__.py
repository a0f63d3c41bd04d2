"""The suites: a module per kind, with the questions that it asks and the metrics of the answers."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from medft.evaluation.suites.base import Kind


def kind_called(name: str) -> Kind:
    """The kind of suite that a line of ``config.KINDS`` names: the module here of the same name."""
    return cast(Kind, import_module(f"{__name__}.{name}"))
