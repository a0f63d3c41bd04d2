"""Encoded rows + a model -> a trained adapter: the one place where the trainer is built and run.

Owns the order of training, testing and saving. Import it only after ``engine.activate()``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import EarlyStoppingCallback, TrainerState, set_seed
from trl.data_utils import pack_dataset

from medft import ranks
from medft.engine import compat
from medft.engine.base import Checkpointing, LossType
from medft.engine.device import peak_memory_bytes
from medft.files import atomic_folder, read_json
from medft.models.registry import Dtype
from medft.prompt.tokens import EncodedSplit
from medft.runs import RunDir
from medft.training.callbacks import Listener, Progress, Recorder, Stopper
from medft.training.config import TrainerConfig
from medft.training.losslog import LossLog, read_rows
from medft.training.rehearsal import Rehearsal
from medft.training.result import Outcome
from medft.training.sampler import GroupedByLength
from medft.training.sft.arguments import Schedule, schedule, sft_config
from medft.training.sft.trainer import AnswerCollator, Trainer


def load_rows(split: EncodedSplit, most: int | None = None) -> Any:
    """The encoded rows, mapped from disk; ``most`` of them, drawn alike whatever the run's seed, so that runs
    are judged on the same rows."""
    rows = Dataset.from_file(str(split.path))
    return rows.shuffle(seed=0).select(range(most)) if most and most < len(rows) else rows


def pack(rows: Any, max_length: int, seed: int) -> Any:
    """Rows put together into sequences of at most ``max_length`` tokens, best fit decreasing, never cut.

    Shuffled first, so that neighbours in the source do not share a sequence; every row keeps positions of its
    own, so that attention and loss stay within it.
    """
    lists = rows.select_columns(["input_ids", "labels", "answer_bytes"]).shuffle(seed=seed)
    packed = pack_dataset(lists, max_length, "bfd", {"desc": "packing"})
    return packed.map(lambda row: {"length": len(row["input_ids"])})


def last_checkpoint(run: RunDir) -> Path | None:
    """The newest whole checkpoint: transformers writes trainer_state.json last, so one that can be read
    closes its folder."""
    folders = sorted(run.checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name.rsplit("-", 1)[1]))
    return next((path for path in reversed(folders) if _whole(path)), None)


def _whole(checkpoint: Path) -> bool:
    try:
        read_json(checkpoint / "trainer_state.json")
    except Exception:  # a state cut short by a kill, or none
        return False
    return (checkpoint / "optimizer.pt").is_file()


def train(
    model: Any,
    tokenizer: Any,
    splits: dict[str, EncodedSplit],
    config: TrainerConfig,
    run: RunDir,
    *,
    seed: int,
    dtype: Dtype,
    checkpointing: Checkpointing,
    loss_type: LossType,
    listeners: list[Listener],
    progress: Progress,
    stopper: Stopper,
    separate_examples: Callable[[Any], None],
    rehearse: bool = False,
) -> Outcome:
    """Train ``model`` on ``splits['train']``, validate on the way, test at the end.

    Resumes from the run's last whole checkpoint where there is one. ``separate_examples`` is the engine's,
    for padding-free batches. ``rehearse`` runs the largest batches before step 1.
    """
    set_seed(seed)
    most = {"validation": config.validation_rows, "test": config.test_rows}
    rows = {name: load_rows(split, most.get(name)) for name, split in splits.items() if split.rows}
    for name in rows.keys() - {"train"}:  # their order changes no figure: long ones first, little padding
        rows[name] = rows[name].sort("length", reverse=True)
    if config.packing:
        rows["train"] = pack(rows["train"], config.max_length, seed)
    cuda = torch.cuda.is_available() and next(model.parameters()).device.type == "cuda"
    if not cuda:
        compat.unnumber_cpu()
    plan = schedule(config, len(rows["train"]), ranks.count())
    start = last_checkpoint(run)
    arguments = sft_config(
        config, plan, folder=run.checkpoints, seed=seed, dtype=dtype, checkpointing=checkpointing,
        loss_type=loss_type, validate="validation" in rows,
        validate_first=_unvalidated(run, start, plan), cuda=cuda,
    )  # fmt: skip
    log = LossLog(run.loss_csv, resume_step=_step(start) if start else None) if ranks.first() else None
    recorder = Recorder(log, [*listeners, stopper.watch, progress.show])
    watching = [stopper, recorder, progress, *_early_stopping(config, "validation" in rows)]
    if rehearse:
        watching.insert(0, Rehearsal([rows[name] for name in ("validation", "test") if name in rows]))
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows["train"],
        eval_dataset=rows.get("validation"),
        processing_class=copy.deepcopy(tokenizer),  # trainers set its padding side and pad token
        data_collator=AnswerCollator(
            pad_token_id=tokenizer.pad_token_id, padding_free=bool(config.padding_free or config.packing)
        ),
        callbacks=watching,
        order=GroupedByLength(rows["train"]["length"], plan.rows_per_step, seed)
        if config.group_by_length
        else None,
    )
    separate_examples(trainer)
    for callback in watching:
        if isinstance(callback, Recorder | Rehearsal):
            callback.trainer = trainer
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    with stopper.catching():
        _go(trainer, start, plan)
    if stopper.signal is not None or stopper.diverged_at is not None:
        return _outcome(trainer, recorder, stopper, plan, {})
    test = trainer.evaluate(rows["test"], metric_key_prefix="test") if "test" in rows else {}
    return _outcome(trainer, recorder, stopper, plan, test)


def _go(trainer: Trainer, start: Path | None, plan: Schedule) -> None:
    """Train from ``start``, or load what it holds when nothing is left to train."""
    if start is None or _step(start) < plan.steps:
        trainer.train(resume_from_checkpoint=str(start) if start else None)
        return
    # transformers 5.17 takes one step too many when it resumes at the last.
    trainer.state = TrainerState.load_from_json(str(start / "trainer_state.json"))
    best = trainer.state.best_model_checkpoint if trainer.args.load_best_model_at_end else None
    trainer._load_from_checkpoint(best or str(start))


def _unvalidated(run: RunDir, start: Path | None, plan: Schedule) -> bool:
    """Whether a validation comes before the first step: the base model's own, or one that a stop left out."""
    if start is None:
        return True
    done = {int(row["step"]) for row in read_rows(run.loss_csv) if row["split"] == "validation"}
    return _step(start) % plan.eval_steps == 0 and _step(start) not in done


def save_adapter(model: Any, tokenizer: Any, folder: Path, base_name: str) -> None:
    """Write the LoRA weights with tokenizer and chat template, as plain peft and Unsloth load them.

    Args:
        model: the trained PEFT model.
        tokenizer: the one it was trained with.
        folder: appears whole or not at all.
        base_name: what loaders will find the base by: a hub id, or a folder where it is local.
    """
    model.peft_config["default"].base_model_name_or_path = base_name
    with atomic_folder(folder) as aside:
        model.save_pretrained(str(aside))
        tokenizer.save_pretrained(str(aside))


def _early_stopping(config: TrainerConfig, validate: bool) -> list[EarlyStoppingCallback]:
    if config.early_stopping_patience is None or not validate:
        return []
    return [EarlyStoppingCallback(early_stopping_patience=config.early_stopping_patience)]


def _step(checkpoint: Path | None) -> int:
    return int(checkpoint.name.rsplit("-", 1)[1]) if checkpoint else 0


def _outcome(
    trainer: Trainer, recorder: Recorder, stopper: Stopper, plan: Schedule, test: dict[str, Any]
) -> Outcome:
    totals, step = recorder.totals, trainer.state.global_step
    best = trainer.state.best_model_checkpoint if trainer.args.load_best_model_at_end else None
    return Outcome(
        steps=step,
        stopped_by=_stopped_by(stopper, step, plan.steps),
        interrupted=stopper.signal is not None,
        diverged=stopper.diverged_at is not None,
        best_step=_step(Path(best)) if best else None,
        test={name: test[f"test_{name}"] for name in ("loss", "bits_per_byte") if f"test_{name}" in test},
        seconds=totals.seconds,
        step_seconds=totals.step_seconds,
        validation_seconds=trainer.clock["validation"],
        saving_seconds=trainer.clock["saving"],
        tokens=int(totals.real),
        tokens_per_second=totals.session_real / totals.step_seconds if totals.step_seconds else 0.0,
        padding_ratio=totals.processed / totals.session_real if totals.session_real else 1.0,
        peak_memory_bytes=peak_memory_bytes(),
        bits_known=trainer.stop_loss.works,
    )


def _stopped_by(stopper: Stopper, step: int, planned: int) -> str:
    if stopper.signal is not None:
        return f"stopped at step {step} of {planned}"
    if stopper.diverged_at is not None:
        return f"the loss was not a number at step {stopper.diverged_at}"
    return f"early stopping at step {step} of {planned}" if step < planned else ""
