"""Who trains in the training benchmark, and how steps are timed."""

from __future__ import annotations

import csv
import io
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from medft.engine import engine
from medft.engine.base import EngineName, LoadSpec
from medft.plan.result import Plan
from medft.prompt.tokens import EncodedSplit
from medft.runs import RunDir
from tests.benchmarks import bare
from tests.benchmarks.training_setting import ROWS_PER_STEP, Setting

WARM = 2  # steps in which kernels are compiled and caches filled


@dataclass(frozen=True)
class Job:
    """What a contender is given beside model and tokenizer."""

    setting: Setting
    rows: EncodedSplit
    plan: Plan
    out: Path
    """An empty folder."""


@dataclass(frozen=True)
class Contender:
    """Which engine loads, and who trains by which recipe."""

    engine: EngineName | Literal["auto"]
    train: Callable[[Any, Any, LoadSpec, Job], dict[str, Any]]
    trainer: Literal["published", "fast", "cpu"] = "published"
    plain: bool = False
    """Whether the model is loaded by transformers and PEFT alone."""

    @property
    def chosen(self) -> EngineName:
        if self.engine != "auto":
            return self.engine
        return "transformers" if engine("unsloth").why_not() else "unsloth"

    def why_not(self) -> str | None:
        return engine(self.chosen).why_not()


def _speed(durations: Sequence[float], tokens: Sequence[int]) -> dict[str, Any]:
    """Figures of the steps after the warm ones; ``tokens`` per step."""
    return {
        "tokens_per_second": sum(tokens[WARM:]) / sum(durations[WARM:]),
        "step_seconds": sum(durations[WARM:]) / len(durations[WARM:]),
    }


def _now() -> float:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def plain_trl(model: Any, tokenizer: Any, spec: LoadSpec, job: Job) -> dict[str, Any]:
    """The script one would write: SFTTrainer with the published recipe's settings and nothing of medft's."""
    recomputed = job.plan.resolved.gradient_checkpointing == "standard"
    cuda = next(model.parameters()).device.type == "cuda"
    return _trl(model, tokenizer, job, optim="adamw_8bit", bf16=cuda, gradient_checkpointing=recomputed,
                **_batches(2))  # fmt: skip


def trl_defaults(model: Any, tokenizer: Any, spec: LoadSpec, job: Job) -> dict[str, Any]:
    """SFTTrainer with nothing said but the batches: it recomputes activations."""
    return _trl(model, tokenizer, job, **_batches(2))


def trl_tuned(model: Any, tokenizer: Any, spec: LoadSpec, job: Job) -> dict[str, Any]:
    """SFTTrainer by one who knows: nothing recomputed, 16 bits, rows one by one and so without padding."""
    return _trl(model, tokenizer, job, optim="adamw_torch", bf16=True, gradient_checkpointing=False,
                **_batches(1))  # fmt: skip


def bare_loop(model: Any, tokenizer: Any, spec: LoadSpec, job: Job, size: int) -> dict[str, Any]:
    """A loop of one's own over rows sorted by length: next to what the processor allows."""
    from datasets import Dataset

    rows = Dataset.from_file(str(job.rows.path)).sort("length")
    columns = {name: list(rows[name]) for name in ("input_ids", "labels", "length")}
    durations, tokens = zip(*bare.train(model, spec, columns, size), strict=True)
    return _speed(durations, tokens)


def _batches(rows: int) -> dict[str, int]:
    """The rows of a step in batches of so many."""
    return {"per_device_train_batch_size": rows, "gradient_accumulation_steps": ROWS_PER_STEP // rows}


def _trl(model: Any, tokenizer: Any, job: Job, **chosen: Any) -> dict[str, Any]:
    """TRL's SFTTrainer, timed from outside, with the published recipe where ``chosen`` says nothing else."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    rows = Dataset.from_file(str(job.rows.path)).remove_columns(["answer_bytes", "length"])
    cuda = next(model.parameters()).device.type == "cuda"
    args = SFTConfig(
        output_dir=str(job.out), max_steps=job.setting.steps, seed=1,
        learning_rate=2e-4, lr_scheduler_type="linear", warmup_steps=5,
        weight_decay=0.01, logging_steps=1, report_to="none", save_strategy="no",
        max_length=None, packing=False, padding_free=False, dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False, use_cpu=not cuda, disable_tqdm=True, dataloader_pin_memory=cuda,
        **chosen,
    )  # fmt: skip
    durations: list[float] = []
    began: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            began.append(_now())

        def on_log(self, *args: Any, **kwargs: Any) -> None:  # after the step, its logging included
            if len(durations) < len(began):
                durations.append(_now() - began[-1])

    trainer = SFTTrainer(
        model=model, args=args, train_dataset=rows, processing_class=tokenizer, callbacks=[Clock()]
    )
    tokens: list[int] = []
    collate = trainer.data_collator

    def counted(examples: list[dict[str, Any]]) -> Any:
        tokens.append(sum(len(example["input_ids"]) for example in examples))
        return collate(examples)

    trainer.data_collator = counted
    trainer.train()
    times = args.gradient_accumulation_steps
    per_step = [sum(tokens[i : i + times]) for i in range(0, times * job.setting.steps, times)]
    return _speed(durations, per_step)


def medft(model: Any, tokenizer: Any, spec: LoadSpec, job: Job) -> dict[str, Any]:
    """medft's own training, with the recipe of the plan."""
    from medft.training.callbacks import ProgressBar, Stopper
    from medft.training.inputs import Loaded, Training, Watchers
    from medft.training.run import train

    own = _timed_callbacks()
    durations: list[float] = []
    spent: list[float] = []

    class Clock(ProgressBar):
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            self.step_began = _now()

        def on_log(self, args: Any, state: Any, *rest: Any, **kwargs: Any) -> None:
            if len(durations) < state.global_step:
                durations.append(_now() - self.step_began)
                spent.append(own())

    run = RunDir(job.out / "run")
    run.root.mkdir()
    train(
        Loaded(model, tokenizer, engine(job.plan.resolved.engine), spec),
        {"train": job.rows},
        Training(job.plan.trainer, seed=1, folder=run, rehearse=True),  # with the largest batch, as planned
        Watchers(Clock(io.StringIO()), Stopper()),
    )
    with run.loss_csv.open() as file:
        so_far = [0] + [int(row["tokens"]) for row in csv.DictReader(file) if row["split"] == "train"]
    tokens = [after - before for before, after in itertools.pairwise(so_far)]
    memory = job.plan.memory
    planned = None
    if memory is not None:
        planned = memory.training if memory.host else memory.training + memory.libraries
    return {
        **_speed(durations, tokens),
        "overhead": (spent[-1] - spent[WARM - 1]) / sum(durations[WARM:]),
        "planned": planned,
    }


def _timed_callbacks() -> Callable[[], float]:
    """Time everything that medft adds to a step; call the result for the seconds so far."""
    from medft.training.callbacks import ProgressBar, Recorder, Stopper
    from medft.training.sft.sums import StopTokenLoss, Sums

    spent = [0.0]

    def timed(owner: type, name: str) -> None:
        inner = getattr(owner, name)

        def outer(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return inner(*args, **kwargs)
            finally:
                spent[0] += time.perf_counter() - began

        setattr(owner, name, outer)

    for owner in (Recorder, ProgressBar, Stopper):
        for name in ("on_step_begin", "on_step_end", "on_log"):
            if name in vars(owner):
                timed(owner, name)
    timed(StopTokenLoss, "nats")
    timed(Sums, "add")
    return lambda: spent[0]


CONTENDERS = {
    "trl published": Contender("transformers", plain_trl),
    "unsloth published": Contender("unsloth", plain_trl),
    "medft published": Contender("auto", medft),
    "medft fast": Contender("auto", medft, "fast"),
}
ON_CPU = {
    "bare loop": Contender("transformers", partial(bare_loop, size=8), plain=True),
    "bare loop by rows": Contender("transformers", partial(bare_loop, size=1), plain=True),
    "trl defaults": Contender("transformers", trl_defaults, plain=True),
    "trl tuned": Contender("transformers", trl_tuned, plain=True),
    "medft published": Contender("transformers", medft),
    "medft fast": Contender("transformers", medft, "fast"),
    "medft cpu": Contender("transformers", medft, "cpu"),
}
"""Those who train a real model on a CPU; the bare loop, which the others are measured by, comes first: it
pads eight rows of like length, or takes them one by one."""
