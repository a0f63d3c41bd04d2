"""The suites: per kind, which questions are asked and which figures come of the answers.

Owns the table of kinds. A kind is two functions; what lies between them, the asking, is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from medft.evaluation.asking import Answered
from medft.evaluation.config import SuiteConfig
from medft.evaluation.questions import Items
from medft.evaluation.suites import labels, rag, scope, text
from medft.evaluation.suites.base import Asked, Result
from medft.prompt.config import TemplateConfig

__all__ = ["KINDS", "Asked", "Kind", "Result"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of suite."""

    ask: Callable[[SuiteConfig, Items, TemplateConfig], Asked]
    """The questions."""
    score: Callable[[SuiteConfig, Asked, Mapping[str, Answered], int], Result]
    """The figures, from the answers of each system and a seed."""


KINDS = {
    "text": Kind(text.ask, text.score),
    "labels": Kind(labels.ask, labels.score),
    "rag": Kind(rag.ask, rag.score),
    "scope": Kind(scope.ask, scope.score),
}
