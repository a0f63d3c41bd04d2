"""Engines: the only place that knows Unsloth from plain transformers."""

from __future__ import annotations

from medft.engine.base import Engine, EngineName


def engine(name: EngineName) -> Engine:
    """The engine called ``name``; nothing heavy is imported before ``activate``."""
    if name == "unsloth":
        from medft.engine.unsloth_engine import UnslothEngine

        return UnslothEngine()
    from medft.engine.transformers_engine import TransformersEngine

    return TransformersEngine()
