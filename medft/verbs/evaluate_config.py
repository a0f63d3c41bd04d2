"""The settings of `medft evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medft.checked import Name, Seed, Tokens
from medft.errors import ConfigError
from medft.evaluation.config import SuiteConfig
from medft.inference.generation import BATCH_TOKENS
from medft.inference.library import Weights


@dataclass(frozen=True, slots=True)
class EvaluateConfig:
    """Which suites, and of which run."""

    suite: dict[Name, SuiteConfig]
    """The suites, by name."""
    run: str | tuple[str, ...] = "latest"
    """The run: a folder, `latest`, or part of a run's name. Several runs get the same items: a list, a
    sweep, or a pattern (`mistral*`)."""
    beside: tuple[str, ...] = ()
    """Further runs that get the same items, each evaluated by its own command."""
    weights: Weights = "adapter"
    """adapter: on the base it was trained on; merged: the merged weights against the 16-bit base."""
    temperature: float = 0.0
    """0 is greedy decoding, recommended for metrics that are to be compared."""
    top_p: float = 1.0
    """Sample from the smallest set of tokens with this much probability."""
    context: Tokens = 4096
    """Maximum length of prompt and answer together, in tokens."""
    batch_tokens: Tokens = BATCH_TOKENS
    """Tokens per batch; fewer need less memory."""
    seed: Seed = 3407
    """Seeds the choice of items, the permutations of tests, and sampling."""
    artifacts: Path = Path("artifacts")
    """Folder of the runs."""
    processed: Path = Path("data/processed")
    """Where prepared records are kept."""

    def __post_init__(self) -> None:
        if not self.run:
            raise ConfigError("no run is named", remedy="run=latest; medft runs   lists the runs")
