"""Data shared by all suites of one evaluation, and the file <suite>.json of each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medft.aliases import Json
from medft.config import plain
from medft.data.record import Record
from medft.evaluation.answers import AnswerFile
from medft.evaluation.config import SuiteConfig
from medft.evaluation.items import write_items
from medft.evaluation.measures import Metric
from medft.files import write_json
from medft.inference.generation import Sampling
from medft.inference.library import Weights
from medft.prompt.config import TemplateConfig


@dataclass(frozen=True, slots=True)
class Account:
    """What was asked in a suite, and what was not."""

    asked: int
    """Items; some kinds ask several questions of each."""
    left_out: Mapping[str, int]
    """Items that were not asked, by reason."""
    notes: Sequence[str]
    """What a reader must know of them."""


@dataclass(frozen=True, slots=True)
class Context:
    """What all suites of one evaluation share."""

    template: TemplateConfig
    """The run's own words."""
    own: Sequence[Record]
    """The run's test split; of several runs, what their test splits have in common."""
    trained_on: Sequence[Record]
    """The run's training split."""
    sampling: Sampling
    """How answers are generated; each suite sets its own length."""
    folder: Path
    """Where results are written."""
    seed: int
    """Seeds the choice of items and the permutations of tests."""
    tiny: bool
    """Whether a tiny twin answers."""
    run: str
    """The run's name."""
    weights: Weights = "adapter"
    """Which of its weights answer."""
    trained_on_elsewhere: Sequence[Record] = ()
    """The training splits of the runs that are asked the same items: what stands there is not asked."""
    others: Sequence[Path] = ()
    """Where the results of those runs are written."""
    remarks: Sequence[str] = ()
    """What a reader must know of every suite."""
    remarks_on_own: Sequence[str] = ()
    """What a reader must know of suites that ask the run's own test split."""

    @property
    def seen(self) -> Sequence[Record]:
        """What the run was trained on, or one of those that are asked the same items."""
        return self.trained_on_elsewhere or self.trained_on

    def named(self, suite: str) -> str:
        """What a suite's files are called: those of merged weights stand beside the adapter's."""
        return suite if self.weights == "adapter" else f"{suite}.{self.weights}"

    def answers(self, suite: str) -> AnswerFile:
        """The answers to a suite that are on disk."""
        name = f"{self.named(suite)}.answers.jsonl"
        return AnswerFile(self.folder / name, [folder / name for folder in self.others])

    def write(
        self,
        suite: str,
        config: SuiteConfig,
        account: Account,
        *,
        metrics: Sequence[Metric],
        extras: Json,
        sampling: Json | None,
    ) -> Json:
        """Write <suite>.json and return what it holds; ``sampling`` is None where answers are not generated
        by medft."""
        name, own = self.named(suite), config.dataset is None and config.kind != "harness"
        written = {
            "suite": name,
            "date": time.strftime("%Y-%m-%d"),
            "tiny": self.tiny,
            "run": self.run,
            "weights": self.weights,
            "asked": account.asked,
            "left_out": account.left_out,
            "notes": [*self.remarks, *(self.remarks_on_own if own else ()), *account.notes],
            "figures": [metric.to_json() for metric in metrics],
            "extras": extras,
            "settings": {"suite": plain(config), "sampling": sampling, "seed": self.seed},
        }
        write_items(self.folder / f"{name}.items.csv", metrics)
        write_json(self.folder / f"{name}.json", written)
        return written
