"""medft train: one model, one data set, one template -> one run folder.

The story of the command, top to bottom; every room it joins is named where it enters.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from medft import ranks, slurm
from medft.aliases import Json
from medft.config import plain
from medft.data.prepare import Prepared, prepare
from medft.data.record import SPLITS
from medft.engine import engine as engine_named
from medft.engine import sharding
from medft.engine.base import Engine, LoadSpec
from medft.engine.device import release, use_threads
from medft.errors import MedftError, MergeError
from medft.files import folder_size, write_json
from medft.format import size
from medft.machine import probe
from medft.models import gguf
from medft.models.base_models import Base, training_base
from medft.plan import downloads as access
from medft.plan.environment import snapshot
from medft.plan.lengths import read as read_lengths
from medft.plan.plan import at_speed
from medft.plan.resolve import Resolved, resolve
from medft.plan.result import Plan
from medft.runs import RunDir
from medft.screen import Screen
from medft.signals import undisturbed
from medft.training.inputs import Loaded, Training, Watchers
from medft.training.lifecycle import describe, keeping_state, open_folder
from medft.training.result import Outcome
from medft.training.resume import demand_same_data, demand_same_optimizer, demand_same_steps, expand
from medft.training.summary import Fingerprints, ledger_json, summarise
from medft.training.wandb_log import WandbRun
from medft.verbs import train_upload, train_wandb
from medft.verbs.gain import gain
from medft.verbs.lines import announce, say_base, say_end, say_plan, say_shares, say_stopped
from medft.verbs.stages import Stages
from medft.verbs.steps import Tokens, decided, encode, merge, plan_of
from medft.verbs.train_config import IDLE, MAIN, TrainConfig

__all__ = ["EXAMPLES", "IDLE", "MAIN", "TrainConfig", "expand", "run"]

EXAMPLES = (
    "medft train model=mistral",
    "medft train model=gemma trainer=published trainer.learning_rate=1e-4 seed=1",
    "medft train model=custom model.base=<hub id or folder> dataset=jsonl dataset.path=my.jsonl",
    "medft train experiment=llm7b_medical model=llama2",
    "medft train resume=artifacts/runs/mistral-tiny-sample-medical_qa/20261120-101500",
    "medft train -m model=gemma,llama2,mistral,llama3_1 seed=1,2,3",
)


def run(config: TrainConfig) -> int:
    """Train, test, save, merge, draw and sum up; a SLURM job that has to leave is put back into the queue.

    Returns:
        The exit code: 130 when it was stopped by a signal and can be resumed.

    Raises:
        MedftError: whatever prevents a result; what has been trained stays in the run folder.
    """
    slurm.join(len(probe().gpus))
    screen = Screen(quiet=not ranks.first())
    try:
        code = _train(config, screen)
    except KeyboardInterrupt:
        _ask_again(config, screen)
        raise
    if code == 130:
        _ask_again(config, screen)
        ranks.leave()  # together: srun would end those who are left
    return code


def _ask_again(config: TrainConfig, screen: Screen) -> None:
    """Put the SLURM job of a stopped run back into the queue; a sweep does that for its jobs."""
    if ranks.first() and config.sweep.folder is None:
        with undisturbed():  # SLURM ends a job that it puts back, at once
            if said := slurm.ask_again():
                screen.line("slurm", said)


def _train(config: TrainConfig, screen: Screen) -> int:
    """The story until its folder is open."""
    stages = Stages(screen)
    resolved = resolve(config.model, config.engine, config.scale, probe())
    config = decided(config, resolved)
    if config.preflight and resolved.scale == "full":
        access.check(config.model, resolved.load_in_4bit, config.merge, probe())
    with stages.part("data"), screen.bar(None, "reading") as advance:
        prepared = prepare(config.dataset, seed=config.seed, processed=config.processed, progress=advance)
    config = replace(config, dataset=prepared.config)  # so that the run's record names commits, not branches
    folder = ranks.share(lambda: open_folder(plain(config), snapshot(probe(), resolved, config.seed)))
    ranks.demand_shared(folder.root)
    announce(screen, config, resolved, prepared, str(folder.root))
    job = _Job(config, resolved, prepared, folder, screen, stages)
    with screen.chatter_to(ranks.own(folder.log)), keeping_state(folder, ranks.first()):
        if config.preflight:
            ranks.share(lambda: train_upload.demand(config.upload, folder))
        return _run(job)


@dataclass(frozen=True, slots=True)
class _Job:
    """What the steps of one run share."""

    config: TrainConfig
    resolved: Resolved
    prepared: Prepared
    folder: RunDir
    screen: Screen
    stages: Stages


def _run(job: _Job) -> int:
    """The part of the story that libraries talk through; what they say goes to the run's log."""
    engine = engine_named(job.resolved.engine)
    with job.stages.part("libraries", "importing libraries"):
        engine.activate()
        from medft.report.curves import draw_run
        from medft.training.run import save_adapter, train

    base, tokens = _encode(job)
    prints, ledger = _account(job, tokens)
    plan = _plan(job, base, tokens)
    if ranks.first():
        _write_down(job, plan, ledger)
    with job.stages.part("model", "loading the model"):
        loaded = _load(engine, job, plan, base, tokens)
        shares = sharding.shares(loaded.model)
    say_shares(job.screen, shares)
    with job.stages.part("W&B", "starting W&B"):
        wandb = train_wandb.start(job.config, plan.resolved, job.folder, job.screen)
    training = Training(
        plan.trainer, job.config.seed, job.folder, job.config.preflight, _steps_at(job, plan, tokens, ledger)
    )
    with job.stages.part("training"):
        outcome = train(loaded, tokens.splits, training, _watchers(job.screen, wandb))
    if outcome.interrupted or outcome.diverged:
        wandb.stop()
        return say_stopped(job.screen, job.folder, outcome)
    # By all processes, which gather what is divided between them.
    save_adapter(loaded.model, loaded.tokenizer, job.folder.adapter, base.folder, base.name)
    ranks.leave()
    if not ranks.first():
        return 0
    job.screen.line("saved", f"adapter/ {size(folder_size(job.folder.adapter))}")
    del loaded
    release()

    with job.stages.part("merging and checking", "merging and checking"):
        merged, failed = _merged(job, base, tokens)
    with job.stages.part("drawing"):
        draw_run(job.folder, outcome.best_step)
    names = _names(job, plan, outcome, wandb, base)
    names |= {"sharding": plan.resolved.sharding, "shares": plain(shares)} if shares else {}
    names |= {"merge_failed": failed.what} if failed else {}
    summary = summarise(names, job.folder, outcome, prints, merged)
    write_json(job.folder.summary, summary)
    with job.stages.part("W&B", "finishing W&B"):
        wandb.finish(summary, ledger, job.folder.loss_png)
    say_end(job.screen, summary, job.stages)
    if failed:
        raise failed
    train_upload.send(job.config.upload, job.folder, job.screen)
    return 0


def _merged(job: _Job, base: Base, tokens: Tokens) -> tuple[Json | None, MergeError | None]:
    """The merge's report; or why there is none, which does not cost the run."""
    if not job.config.merge:
        return None, None
    try:
        return merge(job.config, job.resolved.scale, job.folder, base, tokens, job.screen), None
    except Exception as error:
        traceback.print_exc()  # into the run's log
        known = error if isinstance(error, MedftError) else MedftError(type(error).__name__)
        return None, MergeError(
            f"the run finished, but its weights were not merged: {known.what}",
            where=known.where or str(job.folder.log),
            remedy="; then ".join(filter(None, (known.remedy, f"medft merge run={job.folder.quoted}"))),
        )


def _encode(job: _Job) -> tuple[Base, Tokens]:
    """The base on disk, and the rows as ids of its tokenizer."""
    config, resolved, prepared = job.config, job.resolved, job.prepared
    use_threads(1 if resolved.scale == "tiny" else probe().cpu_cores)
    words = "building the tiny twin" if resolved.scale == "tiny" else "fetching the base model"
    with job.stages.part("base", words):
        base = training_base(config.model, resolved.scale, resolved.load_in_4bit, config.artifacts)
    say_base(job.screen, config.model, base)
    with (
        job.stages.part("data"),
        job.screen.bar(sum(prepared.rows(name) for name in SPLITS), "encoding") as advance,
    ):
        return base, encode(config, prepared, base.folder, advance)


def _account(job: _Job, tokens: Tokens) -> tuple[Fingerprints, Json]:
    """What the run rests on; a resumed one must rest on the same."""
    prints = Fingerprints.of(job.prepared.ledger, tokens.fingerprint, job.config.template)
    if job.config.resume and job.folder.ledger.is_file():  # else it was stopped before its first step
        demand_same_data(job.folder, plain(prints))
    return prints, ledger_json(job.prepared.ledger, tokens.splits, prints)


def _plan(job: _Job, base: Base, tokens: Tokens) -> Plan:
    """What will run, shown, and refused where it cannot succeed."""
    lengths = read_lengths(tokens.splits)
    plan = ranks.share(lambda: plan_of(job.config, job.resolved, lengths, base.folder))
    if job.config.resume and job.folder.plan.is_file():
        demand_same_steps(job.folder, plan.schedule.rows_per_step)
        demand_same_optimizer(job.folder, plan.trainer.optimizer)
    say_plan(job.screen, plan, tokens.splits)
    plan.demand_room(job.config.preflight)
    return plan


def _write_down(job: _Job, plan: Plan, ledger: Json) -> None:
    """Ledger, plan, settings and environment, into the run folder."""
    write_json(job.folder.ledger, ledger)
    write_json(job.folder.plan, plan.to_json())
    # As many steps as fit trainer.minutes, and the optimizer that this machine can run.
    planned = plan.trainer
    trainer = replace(job.config.trainer, max_steps=planned.max_steps, optimizer=planned.optimizer)
    config = replace(job.config, trainer=trainer)
    describe(job.folder, plain(config), snapshot(probe(), plan.resolved, job.config.seed))


def _steps_at(job: _Job, plan: Plan, tokens: Tokens, ledger: Json) -> Callable[[float], int] | None:
    """Of a run on a processor that ``trainer.minutes`` limit: plans it again, says so and writes it down."""
    if plan.trainer.minutes is None or probe().gpus or plan.devices > 1:
        return None

    def again(tokens_per_second: float) -> int:
        fitted = at_speed(plan, read_lengths(tokens.splits), tokens_per_second)
        _write_down(job, fitted, ledger)
        job.screen.line("steps", fitted.resolved.reasons["steps"])
        return fitted.schedule.steps

    return again


def _load(engine: Engine, job: _Job, plan: Plan, base: Base, tokens: Tokens) -> Loaded:
    """The base with a fresh adapter."""
    config = job.config
    spec = LoadSpec(
        base.folder, plan.resolved.dtype, plan.resolved.load_in_4bit, config.trainer.max_length,
        plan.resolved.gradient_checkpointing, plan.resolved.sharding == "fsdp",
    )  # fmt: skip
    model = engine.load_for_training(spec, config.lora, tokens.tokenizer, config.seed)
    return Loaded(model, tokens.tokenizer, engine, spec)


def _watchers(screen: Screen, wandb: WandbRun) -> Watchers:
    from medft.training.callbacks import ProgressBar, Stopper

    return Watchers(ProgressBar(screen.bar_stream), Stopper(screen.bar_stream), (wandb.row,))


def _names(job: _Job, plan: Plan, outcome: Outcome, wandb: WandbRun, base: Base) -> dict[str, object]:
    """What the run was, for its summary."""
    config = job.config
    return {
        "model": config.model.name,
        "dataset": config.dataset.name,
        "template": config.template.name,
        "trainer": config.trainer.name,
        "sweep_metric": config.trainer.sweep_metric,
        "engine": plan.resolved.engine,
        "scale": plan.resolved.scale,
        "devices": plan.devices,
        "mfu": plan.utilisation(outcome.tokens_per_second, probe()),
        "seed": config.seed,
        "sweep": str(config.sweep.folder) if config.sweep.folder else None,
        "wandb": wandb.id,
        "test_gain": _gain(job, outcome),
        "base_file": gguf.record(base.folder),
        "stage_seconds": {part: round(seconds, 2) for part, seconds in job.stages.seconds.items()},
    }


def _gain(job: _Job, outcome: Outcome) -> Json | None:
    """Of the tuned model on the test rows."""
    if outcome.tested is None:
        return None
    return gain(outcome.tested.answers, list(job.prepared.records("test")), job.config.seed)
