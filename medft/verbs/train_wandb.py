"""medft train: the W&B run of a run, gone on with where the run is resumed."""

from __future__ import annotations

from dataclasses import replace

from medft import ranks
from medft.config import plain
from medft.engine.device import peak_memory_bytes
from medft.files import read_json, write_json
from medft.plan.resolve import Resolved
from medft.runs import RunDir
from medft.runs.values import text
from medft.screen import Screen
from medft.training.wandb_log import Labels, WandbRun
from medft.verbs.train_config import TrainConfig


def start(config: TrainConfig, resolved: Resolved, folder: RunDir, screen: Screen) -> WandbRun:
    """The W&B run; its id is kept in the folder, so that a resumed run continues it."""
    before = folder.root / "wandb.json"
    logger = config.logger if ranks.first() else replace(config.logger, wandb="off")
    run_id = text(read_json(before).get("id")) or None if before.is_file() else None
    kind = (config.model.name, config.dataset.name, config.template.name)
    run = WandbRun(
        logger,
        folder.root,
        Labels(
            name=f"{folder.root.parent.name}/{folder.root.name}",
            tags=(*kind, resolved.scale, resolved.engine),
            group=config.sweep.folder.name if config.sweep.folder else None,
        ),
        values=plain(config),
        run_id=run_id,
        memory=peak_memory_bytes,
        notice=lambda text: screen.line("notice", text),
    )
    if run.id:
        write_json(before, {"id": run.id, "mode": run.mode})
    return run
