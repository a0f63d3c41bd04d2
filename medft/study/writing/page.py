"""The page of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medft.study.cells import Trial
from medft.study.config import StudyConfig
from medft.study.folder import StudyDir


@dataclass(frozen=True, slots=True)
class Verdict:
    """Ship or not."""

    ship: bool
    """Whether to."""
    reasons: tuple[str, ...]
    """Why."""


def write_study(config: StudyConfig, folder: StudyDir, trials: Sequence[Trial]) -> Verdict:
    """Nothing yet."""
    return Verdict(False, ("nothing is written yet",))
