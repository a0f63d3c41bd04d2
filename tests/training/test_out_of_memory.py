"""A GPU that runs out of memory in the middle of a run: advice for the phase, and a folder to go on from."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft.engine import engine
from medft.engine.base import LoadSpec, LoraConfig
from medft.errors import EngineError
from medft.models.tiny import Twin
from medft.prompt.tokens import EncodedSplit
from medft.runs import RunDir
from medft.training.config import TrainerConfig
from medft.training.lifecycle import keeping_state
from medft.training.losslog import read_rows
from tests.support import sft

RECIPE = TrainerConfig(
    max_steps=4, per_device_batch_size=2, gradient_accumulation_steps=1, eval_steps=2, warmup_steps=0
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> EncodedSplit:
    import pyarrow as pa

    path = tmp_path_factory.mktemp("rows") / "rows.arrow"
    made = [{**row, "length": len(row["input_ids"])} for row in sft.rows(8)]
    table = pa.Table.from_pylist(made)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    lengths = [row["length"] for row in made]
    return EncodedSplit(path, len(made), sum(lengths), 0, 0, max(lengths), (), {})


def train(base: Path, rows: EncodedSplit, run: RunDir, plant: Callable[[Any], None] = lambda _: None) -> None:
    from medft.models import tokenizer as tokenizers
    from medft.training import run as training
    from medft.training.callbacks import ProgressBar, Stopper
    from medft.training.inputs import Loaded, Training, Watchers

    loader, tokenizer = engine("transformers"), tokenizers.load(base)
    spec = LoadSpec(base, "float32", True, 128)
    model = loader.load_for_training(spec, LoraConfig(), tokenizer, seed=3)
    plant(model)
    training.train(
        Loaded(model, tokenizer, loader, spec),
        {"train": rows, "validation": rows},
        Training(RECIPE, seed=1, folder=run),
        Watchers(ProgressBar(io.StringIO()), Stopper()),
    )


def no_memory(training: bool, after: int) -> Callable[[Any], None]:
    """Plant an error of torch's in the forward pass number ``after`` of training, or of validation."""
    import torch

    def plant(model: Any) -> None:
        passes = [0]

        def forward(module: Any, args: Any) -> None:
            passes[0] += module.training == training
            if passes[0] > after:
                raise torch.OutOfMemoryError("planted")

        model.get_base_model().get_decoder().register_forward_pre_hook(forward)

    return plant


@pytest.mark.parametrize(
    ("training", "after", "advice"),
    [
        (True, 2, "halve trainer.per_device_batch_size"),
        (False, 4, "halve trainer.per_device_eval_batch_size"),  # two batches before step 1, two after step 2
    ],
)
def test_out_of_memory_in_the_middle_can_be_resumed(
    twins: Callable[[Any], Twin], rows: EncodedSplit, tmp_path: Path, training: bool, after: int, advice: str
) -> None:
    base, run = twins("mistral").nf4, RunDir(tmp_path / "run")
    run.root.mkdir()
    with pytest.raises(EngineError, match="out of memory in") as error, keeping_state(run):
        train(base, rows, run, no_memory(training, after))
    assert advice in error.value.remedy and f"resume={run.root}" in error.value.remedy
    assert run.state() == "failed"

    train(base, rows, run)
    steps = [row["step"] for row in read_rows(run.loss_csv) if row["split"] == "train"]
    assert steps == ["1", "2", "3", "4"]
