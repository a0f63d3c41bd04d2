"""medft train: one model, one data set, one template -> one run folder.

The story of the command, top to bottom; every room it joins is named where it enters.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from medft import ranks
from medft.config import plain
from medft.data.prepare import Prepared, prepare
from medft.engine import engine
from medft.engine.base import LoadSpec
from medft.engine.device import peak_memory_bytes, release, use_one_thread
from medft.files import read_json, write_json
from medft.machine import probe
from medft.models.base_models import training_base
from medft.plan import downloads as access
from medft.plan.environment import snapshot
from medft.plan.lengths import read as read_lengths
from medft.plan.resolve import Resolved, resolve
from medft.runs import RunDir
from medft.screen import Screen
from medft.training.lifecycle import describe, keeping_state, open_folder
from medft.training.resume import demand_same_data, demand_same_steps, expand
from medft.training.summary import Fingerprints, ledger_json, summarise
from medft.verbs import train_upload
from medft.verbs.lines import announce, say_end, say_plan, say_stopped, size
from medft.verbs.steps import SPLITS, encode, merge, plan_of
from medft.verbs.train_config import TrainConfig

__all__ = ["EXAMPLES", "TrainConfig", "expand", "run"]

EXAMPLES = (
    "medft train model=mistral",
    "medft train model=gemma trainer=published trainer.learning_rate=1e-4 seed=1",
    "medft train model=custom model.base=<hub id or folder> dataset=jsonl dataset.path=my.jsonl",
    "medft train experiment=llm7b_medical model=llama2",
    "medft train resume=artifacts/runs/mistral-tiny-sample-medical_qa/20261120-101500",
    "medft train -m model=gemma,llama2,mistral,llama3_1 seed=1,2,3",
)


def run(config: TrainConfig) -> int:
    """Train, test, save, merge, draw and sum up.

    Returns:
        The exit code: 130 when it was stopped by a signal and can be resumed.

    Raises:
        MedftError: whatever prevents a result; what has been trained stays in the run folder.
    """
    screen, began = Screen(quiet=not ranks.first()), time.perf_counter()
    resolved = resolve(config.model, config.engine, config.scale, probe())
    if config.preflight and resolved.scale == "full":
        access.check(config.model, config.engine.load_in_4bit, config.merge)
    with screen.bar(None, "reading") as advance:
        prepared = prepare(config.dataset, seed=config.seed, processed=config.processed, progress=advance)
    config = replace(config, dataset=prepared.config)  # so that the run's record names commits, not branches
    folder = ranks.share(lambda: open_folder(plain(config), snapshot(probe(), resolved, config.seed)))
    announce(screen, config, resolved, prepared, str(folder.root))
    with screen.chatter_to(ranks.own(folder.log)), keeping_state(folder, ranks.first()):
        if config.preflight:
            ranks.share(lambda: train_upload.demand(config.upload, folder))
        return _run(config, resolved, prepared, folder, screen, began)


def _run(
    config: TrainConfig, resolved: Resolved, prepared: Prepared, folder: RunDir, screen: Screen, began: float
) -> int:
    """The part of the story that libraries talk through; what they say goes to the run's log."""
    code = engine(resolved.engine)
    code.activate()
    from medft.report.curves import draw_run
    from medft.training.callbacks import Progress, Stopper
    from medft.training.run import save_adapter, train

    if resolved.scale == "tiny":
        use_one_thread()
    base = training_base(config.model, resolved.scale, config.engine.load_in_4bit, config.artifacts)
    with screen.bar(sum(prepared.rows(name) for name in SPLITS), "encoding") as advance:
        tokens = encode(config, prepared, base.folder, advance)
    tokenizer, splits = tokens.tokenizer, tokens.splits
    prints = Fingerprints.of(prepared.ledger, tokens.fingerprint, config.template)
    ledger = ledger_json(prepared.ledger, splits, prints)
    if config.resume and folder.ledger.is_file():  # else it was stopped before its first step
        demand_same_data(folder, read_json(folder.ledger)["fingerprints"], plain(prints))
    plan = ranks.share(lambda: plan_of(config, resolved, read_lengths(splits), base.folder))
    if config.resume and folder.plan.is_file():
        demand_same_steps(folder, plan.schedule.rows_per_step)
    resolved = plan.resolved
    say_plan(screen, plan, splits)
    if config.preflight:
        plan.demand_room()
    if ranks.first():
        write_json(folder.ledger, ledger)
        write_json(folder.plan, plan.to_json())
        describe(folder, plain(config), snapshot(probe(), resolved, config.seed))

    spec = LoadSpec(
        base.folder, resolved.dtype, config.engine.load_in_4bit, config.trainer.max_length,
        resolved.gradient_checkpointing,
    )  # fmt: skip
    model = code.load_for_training(spec, config.lora, tokenizer, config.seed)
    wandb = _start_wandb(config, resolved, folder, screen)
    outcome = train(
        model, tokenizer, splits, plan.trainer, folder, seed=config.seed, dtype=resolved.dtype,
        checkpointing=resolved.gradient_checkpointing, loss_type=code.loss_type(model),
        listeners=[wandb.row], progress=Progress(screen.bar_stream), stopper=Stopper(screen.bar_stream),
        separate_examples=code.separate_examples, rehearse=config.preflight,
    )  # fmt: skip
    ranks.leave()
    if outcome.interrupted or outcome.diverged:
        wandb.stop()
        return say_stopped(screen, folder, outcome)
    if not ranks.first():
        return 0
    save_adapter(model, tokenizer, folder.adapter, base.name)
    screen.line("saved", f"adapter/ {size(folder.adapter)}")
    del model
    release()

    merged = merge(config, resolved.scale, folder, base, tokens, screen) if config.merge else None
    draw_run(folder)
    names = {
        "model": config.model.name,
        "dataset": config.dataset.name,
        "template": config.template.name,
        "trainer": config.trainer.name,
        "sweep_metric": config.trainer.sweep_metric,
        "engine": resolved.engine,
        "scale": resolved.scale,
        "devices": plan.devices,
        "mfu": plan.utilisation(outcome.tokens_per_second, probe()),
        "seed": config.seed,
        "sweep": str(config.sweep.folder) if config.sweep.folder else None,
        "wandb": wandb.id,
    }
    summary = summarise(names, folder, outcome, prints, merged)
    write_json(folder.summary, summary)
    wandb.finish(summary, ledger, folder.loss_png)
    say_end(screen, summary, time.perf_counter() - began)
    train_upload.send(config.upload, folder, screen)
    return 0


def _start_wandb(config: TrainConfig, resolved: Resolved, folder: RunDir, screen: Screen) -> Any:
    """The W&B run; its id is kept in the folder, so that a resumed run continues it."""
    from medft.training.wandb_log import WandbRun

    before = folder.root / "wandb.json"
    logger = config.logger if ranks.first() else replace(config.logger, wandb="off")
    run_id = read_json(before)["id"] if before.is_file() else None
    run = WandbRun(
        logger,
        folder.root,
        name=f"{folder.root.parent.name}/{folder.root.name}",
        group=config.sweep.folder.name if config.sweep.folder else None,
        tags=[config.model.name, config.dataset.name, config.template.name, resolved.scale, resolved.engine],
        values=plain(config),
        run_id=run_id,
        memory=peak_memory_bytes,
        notice=lambda text: screen.line("notice", text),
    )
    if run.id:
        write_json(before, {"id": run.id, "mode": run.mode})
    return run
