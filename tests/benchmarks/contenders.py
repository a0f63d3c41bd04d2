"""Who trains in the training benchmark, and how each is measured: seconds per step, tokens, peak memory."""

from __future__ import annotations

import itertools
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medft.cli import settings
from medft.engine.base import Checkpointing, EngineName, LoadSpec, LoraConfig, engine
from medft.models.tiny import twin
from medft.plan.machine import probe
from medft.plan.plan import Plan
from medft.prompt.tokens import EncodedSplit
from medft.runs import RunDir
from tests.benchmarks.medquad_lengths import medquad_lengths

TWINS = Path("artifacts/tiny").absolute()
WARM = 2  # steps in which kernels are compiled and caches filled


@dataclass(frozen=True)
class Setting:
    """What every contender trains on."""

    steps: int
    max_length: int
    scale: Literal["tiny", "full"]
    rows_per_step: int = 8


@dataclass(frozen=True)
class Contender:
    """Which engine loads, and who trains."""

    engine: EngineName | Literal["auto"]
    train: Callable[[Any, Any, Setting, Base, Path], dict[str, Any]]
    trainer: Literal["published", "fast"] = "published"

    @property
    def chosen(self) -> EngineName:
        if self.engine != "auto":
            return self.engine
        return "transformers" if engine("unsloth").why_not() else "unsloth"

    def runs_here(self) -> bool:
        return engine(self.chosen).why_not() is None


@dataclass(frozen=True)
class Base:
    """A base on disk, the rows, and the plan of the contender."""

    folder: Path
    rows: EncodedSplit
    plan: Plan


def prepare(setting: Setting, folder: Path) -> None:
    """Put base and rows into ``folder``, where they are not; apart, so that no contender pays for it."""
    if setting.scale == "full":
        from tests.benchmarks.random_base import build

        build(folder / "base", settings("train", ["model=mistral"]).model.shape)
    else:
        twin("mistral", TWINS)
    if not (folder / f"{setting.scale}.arrow").is_file():
        _write_rows(folder, setting)


def measure(name: str, setting: Setting, folder: Path) -> dict[str, Any]:
    """Train once with contender ``name`` on what `prepare` made, and say how long its steps took."""
    contender = CONTENDERS[name]
    code = engine(contender.chosen)
    code.activate()
    import torch

    from medft.models import tokenizer as tokenizers
    from medft.training.run import peak_memory_bytes, use_one_thread

    if setting.scale == "tiny":
        use_one_thread()
    base = _base(setting, folder)
    rows = _rows(setting, folder)
    plan = _plan(setting, base, rows, contender, folder)
    kind = plan.resolved.gradient_checkpointing
    spec = LoadSpec(base, plan.resolved.dtype, load_in_4bit=True, max_length=setting.max_length,
                    gradient_checkpointing=kind)  # fmt: skip
    tokenizer = tokenizers.load(base)
    model = code.load_for_training(spec, LoraConfig(), tokenizer, seed=1)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory(dir=folder) as out:
        found = contender.train(model, tokenizer, setting, Base(base, rows, plan), Path(out))
    speed = found["tokens_per_second"]
    return {
        **found,
        "peak": peak_memory_bytes(),
        "host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "mfu": plan.utilisation(speed, probe()),
    }


def _plan(setting: Setting, base: Path, rows: EncodedSplit, contender: Contender, folder: Path) -> Plan:
    """The plan that medft makes of the recipe."""
    from medft.plan.lengths import read
    from medft.plan.plan import make
    from medft.plan.request import Request
    from medft.plan.resolve import Resolved
    from medft.plan.shape import read_shape

    config = settings("train", [f"trainer={contender.trainer}", f"trainer.max_length={setting.max_length}",
                                f"trainer.max_steps={setting.steps}", "model=mistral"])  # fmt: skip
    kind: Checkpointing = "unsloth" if contender.chosen == "unsloth" else "standard"
    resolved = Resolved(
        contender.chosen, setting.scale, "bfloat16", "off" if setting.scale == "tiny" else kind, {}
    )
    shape = read_shape(base)
    lengths = read({"train": rows, "validation": rows, "test": rows})
    request = Request(
        config.model, config.trainer, config.lora, config.engine, shape, lengths, folder, merge=False
    )
    return make(request, resolved, probe())


def _base(setting: Setting, folder: Path) -> Path:
    return folder / "base" / "nf4" if setting.scale == "full" else twin("mistral", TWINS).nf4


def _write_rows(folder: Path, setting: Setting) -> None:
    """As many rows as the steps take, of MedQuAD's lengths, in a file like those that medft encodes."""
    import random

    import pyarrow as pa

    draw = random.Random(1)
    lengths = draw.sample(medquad_lengths(setting.max_length), setting.steps * setting.rows_per_step)
    ids = pa.list_(pa.int32())
    schema = pa.schema([("input_ids", ids), ("labels", ids), ("answer_bytes", ids), ("length", pa.int32())])
    path = folder / f"{setting.scale}.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for length in lengths:
            tokens = [draw.randrange(300, 2000) for _ in range(length)]
            asked = length // 4
            labels = [-100] * asked + tokens[asked:]
            sizes = [0] * asked + [3] * (length - asked - 1) + [-1]
            writer.write_batch(pa.record_batch([[tokens], [labels], [sizes], [length]], schema=schema))


def _rows(setting: Setting, folder: Path) -> EncodedSplit:
    import pyarrow as pa

    path = folder / f"{setting.scale}.arrow"
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        lengths = [length for batch in reader for length in batch.column("length").to_pylist()]
    return EncodedSplit(path, len(lengths), sum(lengths), 0, 0, max(lengths), (), {})


def _speed(durations: list[float], tokens: list[int]) -> dict[str, Any]:
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


def plain_trl(model: Any, tokenizer: Any, setting: Setting, base: Base, out: Path) -> dict[str, Any]:
    """The script one would write: SFTTrainer with the published recipe's settings and nothing of medft's."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    rows = Dataset.from_file(str(base.rows.path)).remove_columns(["answer_bytes", "length"])
    cuda = next(model.parameters()).device.type == "cuda"
    recomputed = base.plan.resolved.gradient_checkpointing == "standard"
    args = SFTConfig(
        output_dir=str(out), max_steps=setting.steps, per_device_train_batch_size=2, seed=1,
        gradient_accumulation_steps=4, learning_rate=2e-4, lr_scheduler_type="linear", warmup_steps=5,
        optim="adamw_8bit", weight_decay=0.01, logging_steps=1, report_to="none", save_strategy="no",
        max_length=None, packing=False, padding_free=False, dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False, bf16=cuda, use_cpu=not cuda, disable_tqdm=True,
        dataloader_pin_memory=cuda, gradient_checkpointing=recomputed,
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
    per_step = [sum(tokens[i : i + 4]) for i in range(0, 4 * setting.steps, 4)]
    return _speed(durations, per_step)


def medft(model: Any, tokenizer: Any, setting: Setting, base: Base, out: Path) -> dict[str, Any]:
    """medft's own training, with the recipe of the plan."""
    import csv
    import io

    from medft.training.callbacks import Progress, Stopper
    from medft.training.run import train

    own = _timed_callbacks()
    durations: list[float] = []

    class Clock(Progress):
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            self.step_began = _now()

        def on_log(self, args: Any, state: Any, *rest: Any, **kwargs: Any) -> None:
            if len(durations) < state.global_step:
                durations.append(_now() - self.step_began)

    run = RunDir(out / "run")
    run.root.mkdir()
    code = engine(base.plan.resolved.engine)
    train(
        model, tokenizer, {"train": base.rows}, base.plan.trainer, run, seed=1,
        dtype=base.plan.resolved.dtype, checkpointing=base.plan.resolved.gradient_checkpointing,
        loss_type=code.loss_type(model), listeners=[], progress=Clock(io.StringIO()), stopper=Stopper(),
        separate_examples=code.separate_examples, rehearse=True,  # the largest batch, which the plan counts
    )  # fmt: skip
    with run.loss_csv.open() as file:
        so_far = [0] + [int(row["tokens"]) for row in csv.DictReader(file) if row["split"] == "train"]
    tokens = [after - before for before, after in itertools.pairwise(so_far)]
    shutil.rmtree(run.root)
    memory = base.plan.memory
    planned = None
    if memory is not None:
        planned = memory.training if memory.host else memory.training + memory.libraries
    return {
        **_speed(durations, tokens),
        "overhead": own() / sum(durations),
        "planned": planned,
    }


def _timed_callbacks() -> Callable[[], float]:
    """Time everything that medft adds to a step; call the result for the seconds so far."""
    from medft.training.callbacks import Progress, Recorder, Stopper
    from medft.training.tally import StopTokenLoss, Tally

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

    for owner in (Recorder, Progress, Stopper):
        for name in ("on_step_begin", "on_step_end", "on_log"):
            if name in vars(owner):
                timed(owner, name)
    timed(StopTokenLoss, "nats")
    timed(Tally, "add")
    return lambda: spent[0]


CONTENDERS = {
    "trl published": Contender("transformers", plain_trl),
    "unsloth published": Contender("unsloth", plain_trl),
    "medft published": Contender("auto", medft),
    "medft fast": Contender("auto", medft, "fast"),
}
