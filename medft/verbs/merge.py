"""medft merge: a run's adapter and its 16-bit base -> merged/, judged from disk before it is called so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from medft.config import build
from medft.data.prepare import prepare
from medft.errors import RunError
from medft.files import read_json, write_json
from medft.models.base_models import training_base
from medft.runs import find_run
from medft.screen import Screen
from medft.training.resume import read_config
from medft.verbs.steps import encode, merge
from medft.verbs.train_config import TrainConfig

EXAMPLES = (
    "medft merge run=latest",
    "medft merge run=mistral-medquad max_shard_gb=2",
)


@dataclass(frozen=True, slots=True)
class MergeConfig:
    """What is merged, and how it is written."""

    run: str = "latest"
    """The run: a folder, `latest`, or part of a run's name."""
    max_shard_gb: float = 5.0
    """Size of the files, in GB."""
    artifacts: Path = Path("artifacts")
    """Where runs stand."""


def run(config: MergeConfig) -> None:
    """Merge, judge, and write the judgement into the run's summary.

    Raises:
        RunError: the run has no adapter.
        MergeError: the merge failed or did not pass; merged/ is then as it was before.
    """
    screen, found = Screen(), find_run(config.run, config.artifacts)
    if not found.adapter.is_dir():
        raise RunError(
            "this run has no adapter to merge", where=str(found.root), remedy="medft runs   lists runs"
        )
    trained = build(TrainConfig, read_config(found))
    trained = replace(trained, max_shard_gb=config.max_shard_gb)
    scale = read_json(found.environment)["resolved"]["scale"]
    screen.title("merge", str(found.root))
    with screen.chatter_to(found.log):
        prepared = prepare(trained.dataset, seed=trained.seed, processed=trained.processed)
        base = training_base(trained.model, scale, bool(trained.engine.load_in_4bit), trained.artifacts)
        report = merge(trained, scale, found, base, encode(trained, prepared, base.folder), screen)
    if found.summary.is_file():
        write_json(found.summary, {**read_json(found.summary), "merge": report})
    tiny, real = "export run={} format=ollama", "upload run={} repo=<you>/<name> dry_run=true"
    screen.line("next", f"medft {(tiny if scale == 'tiny' else real).format(found.root)}")
