"""medft train: one model, one data set, one template -> one run folder.

The story of the command, top to bottom; every room it joins is named where it enters.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from medft import ranks
from medft.config import plain
from medft.data.config import DatasetConfig
from medft.data.prepare import Prepared, prepare
from medft.engine.base import EngineConfig, LoadSpec, LoraConfig, engine
from medft.errors import EngineError
from medft.merge.ofrun import merge_run
from medft.models.bases import Base, merging_base, training_base
from medft.models.registry import ModelConfig
from medft.plan import access
from medft.plan.environment import snapshot
from medft.plan.lengths import Lengths
from medft.plan.lengths import read as read_lengths
from medft.plan.machine import probe
from medft.plan.plan import Plan
from medft.plan.plan import make as make_plan
from medft.plan.request import Request
from medft.plan.resolve import Resolved, Scale, resolve
from medft.plan.shape import read_shape
from medft.prompt.config import TemplateConfig
from medft.prompt.template import check_fields
from medft.prompt.tokens import EncodedSplit, encode_splits
from medft.runs import RunDir, read_json, write_json
from medft.screen import Screen
from medft.training.config import LoggerConfig, TrainerConfig
from medft.training.lifecycle import keeping_state, open_folder
from medft.training.resume import demand_same_data, expand
from medft.training.summary import Fingerprints, ledger_json, summarise

if TYPE_CHECKING:
    from medft.training.run import Outcome

__all__ = ["EXAMPLES", "TrainConfig", "expand", "run"]

SPLITS = ("train", "validation", "test")

EXAMPLES = (
    "medft train model=mistral",
    "medft train model=gemma trainer=published trainer.learning_rate=1e-4 seed=1",
    "medft train model=custom model.base=<hub id or folder> dataset=jsonl dataset.path=my.jsonl",
    "medft train experiment=llm7b_medical model=llama2",
    "medft train resume=artifacts/runs/mistral-tiny-sample-medical_qa/20261120-101500",
    "medft train -m model=gemma,llama2,mistral,llama3_1 seed=1,2,3",
)


@dataclass(frozen=True, slots=True)
class SweepConfig:
    """A run's place in a sweep (`medft train -m`)."""

    folder: Path | None = None
    """The folder of the sweep that a run is a job of."""
    resume: Path | None = None
    """With -m: a sweep's folder, to run only what is missing there."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The settings of one training run."""

    model: ModelConfig
    """The base model."""
    dataset: DatasetConfig
    """The records."""
    template: TemplateConfig
    """The words around them."""
    trainer: TrainerConfig
    """The recipe."""
    lora: LoraConfig
    """The adapter."""
    engine: EngineConfig
    """Which code trains."""
    logger: LoggerConfig
    """Where figures go besides loss.csv."""
    run_dir: Path
    """The run folder."""
    scale: Scale = "auto"
    """full: the real base; tiny: its two-layer twin; auto: full on a CUDA GPU, tiny elsewhere."""
    seed: int = 3407
    """Of the split, the adapter's start, batch order and noise."""
    resume: str | None = None
    """A run folder to go on with, by path, name or `latest`."""
    artifacts: Path = Path("artifacts")
    """Where runs, sweeps and comparisons are written."""
    processed: Path = Path("data/processed")
    """Where prepared records and token ids are kept."""
    max_shard_gb: float = 5.0
    """Size of the files of merged weights, in GB."""
    merge: bool = True
    """Write merged/ besides adapter/."""
    preflight: bool = True
    """Check access, memory and disk before step 1, and refuse what cannot succeed."""
    sweep: SweepConfig = field(default_factory=SweepConfig)
    """Where this run stands in a sweep."""
    overrides: tuple[str, ...] = ()
    """The command line that the settings came from."""

    def __post_init__(self) -> None:
        for member in self.dataset.members().values():
            if member.columns.task is None:
                present = {name for name, column in plain(member.columns).items() if column is not None}
                present |= set(member.fixed)
                if "turns" not in present:
                    check_fields(self.template, member.task, member.language, present, member.name)


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
    folder = ranks.share(lambda: open_folder(plain(config), snapshot(probe(), resolved, config.seed)))
    announce(screen, config, resolved, prepared, str(folder.root))
    with screen.chatter_to(ranks.own(folder.log)), keeping_state(folder, ranks.first()):
        return _run(config, resolved, prepared, folder, screen, began)


def _run(
    config: TrainConfig, resolved: Resolved, prepared: Prepared, folder: RunDir, screen: Screen, began: float
) -> int:
    """The part of the story that libraries talk through; what they say goes to the run's log."""
    code = engine(resolved.engine)
    code.activate()
    from medft.report.curves import draw_run
    from medft.training.callbacks import Progress, Stopper
    from medft.training.run import release, save_adapter, train, use_one_thread

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
    resolved = plan.resolved
    say_plan(screen, plan, splits)
    if config.preflight:
        plan.demand_room()
    if ranks.first():
        write_json(folder.ledger, ledger)
        write_json(folder.plan, plan.to_json())
        write_json(folder.environment, snapshot(probe(), resolved, config.seed))

    spec = LoadSpec(
        base.folder, resolved.dtype, config.engine.load_in_4bit, config.trainer.max_length,
        resolved.gradient_checkpointing,
    )  # fmt: skip
    model = code.load_for_training(spec, config.lora, tokenizer, config.seed)
    wandb = _start_wandb(config, resolved, folder, screen)
    outcome = train(
        model, tokenizer, splits, plan.trainer, folder, seed=config.seed, dtype=resolved.dtype,
        checkpointing=resolved.gradient_checkpointing, listeners=[wandb.row],
        progress=Progress(screen.bar_stream), stopper=Stopper(screen.bar_stream),
        separate_examples=code.separate_examples, rehearse=config.preflight,
    )  # fmt: skip
    ranks.leave()
    if outcome.interrupted or outcome.diverged:
        wandb.stop()
        return _say_stopped(screen, folder, outcome)
    if not ranks.first():
        return 0
    save_adapter(model, tokenizer, folder.adapter, base.name)
    screen.line("saved", f"adapter/ {_size(folder.adapter)}")
    del model
    release()

    merged = merge(config, resolved.scale, folder, base, tokens, screen) if config.merge else None
    draw_run(folder)
    names = {
        "model": config.model.name,
        "dataset": config.dataset.name,
        "template": config.template.name,
        "trainer": config.trainer.name,
        "objective": config.trainer.objective,
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
    _say_end(screen, folder, summary, time.perf_counter() - began)
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
        notice=lambda text: screen.line("notice", text),
    )
    if run.id:
        write_json(before, {"id": run.id, "mode": run.mode})
    return run


@dataclass(frozen=True, slots=True)
class Tokens:
    """A data set as one tokenizer's ids."""

    tokenizer: Any
    """The tokenizer, loaded and checked."""
    fingerprint: str
    """Its content."""
    stop_ids: tuple[int, ...]
    """Ids that end an answer."""
    splits: dict[str, EncodedSplit]
    """The rows, by split."""


def encode(
    config: TrainConfig, prepared: Prepared, base: Path, progress: Callable[[int], object] = lambda rows: None
) -> Tokens:
    """Load the base's tokenizer, check it, and encode every split with it, or find them encoded.

    Raises:
        PromptError: the tokenizer cannot give a correct training example, or no row is left.
    """
    from medft.models import tokenizer as tokenizers
    from medft.prompt.encode import Encoder

    tokenizer = tokenizers.load(base)
    stop_ids, fingerprint = tokenizers.stop_ids(tokenizer, base), tokenizers.fingerprint(tokenizer)
    splits = encode_splits(
        {name: partial(prepared.records, name) for name in SPLITS},
        config.template,
        Encoder(tokenizer, config.trainer.max_length, stop_ids),
        config.trainer.too_long,
        cache=config.processed / "tokens",
        fingerprint=f"{prepared.fingerprint}|{fingerprint}",
        progress=progress,
    )
    return Tokens(tokenizer, fingerprint, stop_ids, splits)


def merge(
    config: TrainConfig,
    scale: Literal["full", "tiny"],
    folder: RunDir,
    base: Base,
    tokens: Tokens,
    screen: Screen,
) -> dict[str, Any]:
    """merged/: written, judged from disk on held-out rows, and only then called so.

    Raises:
        MergeError: it could not be written, or is not what base + adapter are.
    """
    sixteen = merging_base(config.model, scale, config.artifacts)
    report = merge_run(
        folder,
        sixteen.folder,
        base.folder if config.engine.load_in_4bit else None,
        [tokens.splits[name].path for name in reversed(SPLITS)],
        stop_ids=tokens.stop_ids,
        max_shard_bytes=int(config.max_shard_gb * 1e9),
    )
    screen.line("saved", f"merged/ {_size(folder.merged)}")
    screen.line("checked", _judgement(report))
    return report


def _judgement(report: dict[str, Any]) -> str:
    """The judgement of merged weights in a few words."""
    found = {"16-bit": report["logits"]["rounding"], "4-bit": report["logits"]["quantised"]}
    distances = [
        f"{f['relative']:.1%} ({name})" for name, f in found.items() if f and f["relative"] is not None
    ]
    words = f"from disk: all {report['tensors']['tensors']} weights exact"
    if not distances:
        return words
    return f"{words}; logits {' and '.join(distances)} of the adapter's effect off base + adapter"


def announce(
    screen: Screen, config: TrainConfig, resolved: Resolved, prepared: Prepared, right: str = ""
) -> None:
    """The table that stands above a training: what was decided, and why."""
    tiny = "-tiny" if resolved.scale == "tiny" else ""
    screen.title(f"{config.model.name}{tiny} x {config.dataset.name} x {config.template.name}", right)
    screen.line("engine", resolved.engine, resolved.reasons["engine"])
    screen.line("scale", "tiny twin" if resolved.scale == "tiny" else "full", resolved.reasons["scale"])
    screen.line("data", prepared.ledger.summary())
    for note in prepared.ledger.notes:
        screen.line("notice", note)
    for split, most in (("validation", config.trainer.validation_rows), ("test", config.trainer.test_rows)):
        if most is not None and most < prepared.rows(split):
            screen.line(
                "notice", f"{split} asks {most:,} of its rows (trainer.{split}_rows), the same for every run"
            )


def plan_of(config: TrainConfig, resolved: Resolved, lengths: Lengths, base: Path | None) -> Plan:
    """What a training with these settings will do here.

    Args:
        config: the settings.
        resolved: engine, scale and type.
        lengths: of the rows.
        base: the folder of the base; None where it is not on this machine.
    """
    shape = read_shape(base) if base else config.model.shape
    request = Request(
        config.model, config.trainer, config.lora, config.engine, shape, lengths, config.artifacts,
        config.merge, ranks.count(),
    )  # fmt: skip
    return make_plan(request, resolved, probe())


def say_plan(screen: Screen, plan: Plan, splits: dict[str, EncodedSplit]) -> None:
    """The plan in a line, what it decided, rows that are cut or dropped, and what stands in the way."""
    screen.line("plan", plan.line)
    for decision in plan.decisions:
        screen.line("", decision)
    for name, split in splits.items():
        for problem, count in split.problems.items():
            cut = problem == "answer truncated" and plan.trainer.too_long == "truncate"
            screen.line("notice", f"{name}: {count:,} rows {'kept, ' if cut else 'dropped, '}{problem}")
    for found in plan.problems:
        screen.line("notice", f"{found.what}: {found.remedy}")


def _say_stopped(screen: Screen, folder: RunDir, outcome: Outcome) -> int:
    if outcome.diverged:
        raise EngineError(
            outcome.stopped_by, remedy="lower trainer.learning_rate, or raise trainer.warmup_steps"
        )
    folder.mark("interrupted", outcome.stopped_by)
    screen.line("stopped", outcome.stopped_by.removeprefix("stopped "))
    screen.line("next", f"medft train resume={folder.root}")
    return 130


def _say_end(screen: Screen, folder: RunDir, summary: dict[str, Any], seconds: float) -> None:
    loss, bits = summary["validation_loss"], summary["bits_per_byte"]
    figures = [f"train loss {summary['train_loss']:.3f}"]
    figures += [f"validation {loss:.3f}"] if loss is not None else []
    figures += [f"{bits:.3f} bits/byte"] if bits is not None else []
    screen.line("result", ", ".join(figures) + f", in {seconds:.0f} s")
    screen.line("next", "medft chat run=latest | medft evaluate run=latest | medft compare")


def _size(folder: Path) -> str:
    return f"{sum(file.stat().st_size for file in folder.rglob('*') if file.is_file()) / 1e6:,.1f} MB"
