"""Encoded rows + a model -> a trained adapter: a trainer is built, run and tested.

Import it only after the engine's ``activate``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from transformers import EarlyStoppingCallback, set_seed

from medft import ranks
from medft.engine import sharding
from medft.engine.device import peak_memory_bytes
from medft.engine.trainer import Judged, Trainer
from medft.files import atomic_folder
from medft.models import tokenizer_files
from medft.models.causal_lm import AdaptedLM
from medft.prompt.tokenizer import Tokenizer
from medft.prompt.tokens import EncodedSplit
from medft.runs import RunDir
from medft.training import objective
from medft.training.callbacks import Recorder, Stopper
from medft.training.checkpoints import last_checkpoint, step_of, unvalidated
from medft.training.config import TrainerConfig
from medft.training.deadline import Deadline
from medft.training.inputs import Loaded, Training, Watchers
from medft.training.losslog import LossLog
from medft.training.rehearsal import Rehearsal, tokens_per_second
from medft.training.result import Outcome
from medft.training.schedule import Schedule, schedule


def train(
    loaded: Loaded, splits: Mapping[str, EncodedSplit], training: Training, watchers: Watchers
) -> Outcome:
    """Train on ``splits["train"]``, validate on the way, test at the end.

    Resumes from the newest whole checkpoint of the run folder where there is one.
    """
    set_seed(training.seed)
    config, stopper = training.config, watchers.stopper
    rows = objective.make_rows(splits, config, training.seed)
    steps = schedule(config, len(rows["train"]), ranks.count())
    start = last_checkpoint(training.folder)
    validate_first = unvalidated(training.folder, start, steps)
    recorder = Recorder(
        _loss_log(training.folder, start), [*watchers.listeners, stopper.watch, watchers.bar.show]
    )
    deadline = Deadline(config.minutes) if config.minutes is not None and ranks.count() == 1 else None
    rehearsal = Rehearsal([rows[name] for name in ("validation", "test") if name in rows])
    trainer = objective.make_trainer(
        loaded, rows, training, steps,
        [
            *([rehearsal] if training.rehearse else []), stopper, recorder, watchers.bar,
            *_early_stopping(config, "validation" in rows), *([deadline] if deadline else []),
        ],
        validate_first=validate_first,
    )  # fmt: skip
    recorder.trainer = rehearsal.trainer = trainer
    loaded.engine.separate_examples(trainer)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with stopper.catching():
        if training.steps_at is not None and start is None:
            config = replace(config, max_steps=training.steps_at(tokens_per_second(trainer)))
            steps = schedule(config, len(rows["train"]))
            trainer.take(steps.steps, steps.eval_steps, steps.save_steps)
        _go(trainer, start, steps)
    stopped = stopper.signal is not None or stopper.diverged_at is not None
    tested = None if stopped or "test" not in rows else trainer.test(rows["test"])
    late = deadline is not None and deadline.passed
    return _outcome(trainer, recorder, stopper, steps, tested, late)


def _loss_log(run: RunDir, start: Path | None) -> LossLog | None:
    """loss.csv, as far as ``start`` goes; the first process alone writes it."""
    return LossLog(run.loss_csv, resume_step=step_of(start) if start else None) if ranks.first() else None


def _early_stopping(config: TrainerConfig, validate: bool) -> list[EarlyStoppingCallback]:
    if config.early_stopping_patience is None or not validate:
        return []
    return [EarlyStoppingCallback(early_stopping_patience=config.early_stopping_patience)]


def _go(trainer: Trainer, start: Path | None, steps: Schedule) -> None:
    """Train from ``start``, or load what it holds when nothing is left to train."""
    if start is not None and step_of(start) >= steps.steps:
        trainer.restore(start)  # transformers 5.17 takes one step too many when it resumes at the last
    else:
        trainer.train(resume_from_checkpoint=str(start) if start else None)


def _outcome(
    trainer: Trainer, recorder: Recorder, stopper: Stopper, steps: Schedule, tested: Judged | None, late: bool
) -> Outcome:
    totals, step = recorder.totals, trainer.state.global_step
    best = trainer.state.best_model_checkpoint if trainer.args.load_best_model_at_end else None
    return Outcome(
        steps=step,
        stopped_by=_stopped_by(stopper, step, steps.steps, late),
        interrupted=stopper.signal is not None,
        diverged=stopper.diverged_at is not None,
        best_step=step_of(Path(best)) if best else None,
        tested=tested,
        seconds=totals.seconds,
        step_seconds=totals.step_seconds,
        validation_seconds=trainer.clock["validation"],
        saving_seconds=trainer.clock["saving"],
        tokens=int(totals.real),
        tokens_per_second=totals.session_real / totals.step_seconds if totals.step_seconds else 0.0,
        padding_ratio=totals.processed / totals.session_real if totals.session_real else 1.0,
        peak_memory_bytes=peak_memory_bytes(),
        bits_known=trainer.bits_known,
    )


def _stopped_by(stopper: Stopper, step: int, planned: int, late: bool) -> str:
    if stopper.signal is not None:
        return f"stopped at step {step} of {planned}"
    if stopper.diverged_at is not None:
        return f"the loss was NaN or infinite at step {stopper.diverged_at}"
    if late:
        return f"time limit reached at step {step} of {planned}"
    return f"early stopping at step {step} of {planned}" if step < planned else ""


def save_adapter(model: AdaptedLM, tokenizer: Tokenizer, folder: Path, base: Path, base_name: str) -> None:
    """Write the LoRA weights with tokenizer and chat template, as plain peft and Unsloth load them.

    Of processes that train together all have to call it, and the first one writes.

    Args:
        model: the trained PEFT model.
        tokenizer: the one it was trained with.
        folder: appears whole or not at all.
        base: the folder that the tokenizer was loaded from.
        base_name: what loaders will find the base by: a hub id, or a folder where it is local.
    """
    tensors = sharding.whole(model)
    if not ranks.first():
        return
    model.peft_config["default"].base_model_name_or_path = base_name
    with atomic_folder(folder) as aside:
        model.save_pretrained(str(aside), state_dict=tensors)
        tokenizer_files.save(tokenizer, base, aside)
