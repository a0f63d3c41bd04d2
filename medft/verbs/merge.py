"""medft merge: a run's adapter and its 16-bit base -> merged/, checked from disk first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from medft.checked import Positive
from medft.data.prepare import prepare
from medft.errors import RunError
from medft.files import read_json, write_json
from medft.merge.rounding import MergingConfig
from medft.models.base_models import training_base
from medft.runs import find_run
from medft.runs.record import RunRecord
from medft.screen import Screen
from medft.verbs.steps import encode, merge
from medft.verbs.train_config import TrainConfig

EXAMPLES = (
    "medft merge run=latest",
    "medft merge run=mistral-medquad max_shard_gb=2",
    "medft merge run=latest merging.dtype=float32",
)


@dataclass(frozen=True, slots=True)
class MergeConfig:
    """Which run is merged, and how."""

    run: str = "latest"
    """The run: a folder, `latest`, or part of a run's name."""
    max_shard_gb: Positive = 5.0
    """Maximum size of a weight file, in GB."""
    merging: MergingConfig = field(default_factory=MergingConfig)
    """How the weights are stored."""
    artifacts: Path = Path("artifacts")
    """Folder of the runs."""


def run(config: MergeConfig) -> None:
    """Merge, judge, and write the judgement into the run's summary.

    Raises:
        RunError: the run has no adapter, or another process is at work in it.
        MergeError: the merge failed or did not pass; merged/ is then as it was before.
    """
    screen, run = Screen(), find_run(config.run, config.artifacts)
    if not run.adapter.is_dir():
        raise RunError(
            "this run has no adapter to merge", where=str(run.root), remedy="medft runs   lists runs"
        )
    record = RunRecord(run)
    scale, settings = record.scale, record.built(TrainConfig)
    settings = replace(settings, max_shard_gb=config.max_shard_gb, merging=config.merging)
    screen.title("merge", str(run.root))
    with run.held(), screen.chatter_to(run.log):
        prepared = prepare(settings.dataset, seed=settings.seed, processed=settings.processed)
        base = training_base(settings.model, scale, bool(settings.engine.load_in_4bit), settings.artifacts)
        report = merge(settings, scale, run, base, encode(settings, prepared, base.folder), screen)
    if run.summary.is_file():
        write_json(run.summary, {**read_json(run.summary), "merge": report})
    tiny, real = "export run={} format=ollama", "upload run={} repo=<you>/<name> dry_run=true"
    screen.line("next", f"medft {(tiny if scale == 'tiny' else real).format(run.quoted)}")
