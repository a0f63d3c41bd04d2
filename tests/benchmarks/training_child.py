"""One process of the training benchmark; the last line that it prints is its figures.

python -m tests.benchmarks.training_child FOLDER prepare
python -m tests.benchmarks.training_child FOLDER train CONTENDER
python -m tests.benchmarks.training_child FOLDER merge CONTENDER
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medft.engine import engine
from medft.engine.base import LoadSpec, LoraConfig
from medft.machine import probe
from medft.merge.inputs import Inputs
from medft.merge.run import merge_run
from medft.merge.stream import SHARD_BYTES
from medft.runs import RunDir
from tests.benchmarks import bare
from tests.benchmarks.contenders import CONTENDERS, ON_CPU, Job
from tests.benchmarks.training_figures import read_setting
from tests.benchmarks.training_setting import Setting, base_of, plan_of, rows_of
from tests.benchmarks.training_setting import prepare as put


def prepare(setting: Setting, folder: Path) -> dict[str, Any]:
    """Base and rows."""
    began = time.monotonic()
    put(setting, folder)
    return {"seconds": time.monotonic() - began}


def train(setting: Setting, folder: Path, name: str) -> dict[str, Any]:
    """Train once as contender ``name`` and keep the adapter."""
    contender = (ON_CPU if setting.shape == "real" else CONTENDERS)[name]
    loader = engine(contender.chosen)
    loader.activate()
    import torch

    from medft.engine.device import peak_memory_bytes, use_threads
    from medft.models import tokenizer as tokenizers
    from medft.training.run import save_adapter

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        use_threads(probe().cpu_cores if setting.shape == "real" else 1)
    base, plan = base_of(setting, folder), plan_of(setting, folder, contender.chosen, contender.trainer)
    kind = plan.resolved.gradient_checkpointing
    spec = LoadSpec(base, plan.resolved.dtype, plan.resolved.load_in_4bit, max_length=setting.max_length,
                    gradient_checkpointing=kind)  # fmt: skip
    tokenizer = tokenizers.load(base)
    model = (
        bare.loaded(Path(base), spec.dtype, LoraConfig())
        if contender.plain
        else loader.load_for_training(spec, LoraConfig(), tokenizer, seed=1)
    )
    with tempfile.TemporaryDirectory(dir=folder) as out:
        found = contender.train(model, tokenizer, spec, Job(setting, rows_of(folder), plan, Path(out)))
    peak = peak_memory_bytes()
    save_adapter(model, tokenizer, _run(folder, name).adapter, Path(base), str(base))
    return {**found, "peak": peak, "mfu": plan.utilisation(found["tokens_per_second"], probe())}


def merge(setting: Setting, folder: Path, name: str) -> dict[str, Any]:
    """Merge the adapter that contender ``name`` left into the base, dequantised, and judge it from disk.

    The merged weights are deleted afterwards: they are as large as the base in 16 bits.

    Raises:
        MergeError: it did not pass.
    """
    from medft.models import tokenizer as tokenizers

    run, base = _run(folder, name), base_of(setting, folder)
    stops = tokenizers.stop_ids(tokenizers.load(base), base)
    inputs = Inputs(base, run.adapter, stops)
    found = merge_run(run, inputs, {"train": rows_of(folder).path}, SHARD_BYTES, lambda rows: None)
    shutil.rmtree(run.merged)
    return {key: value for key, value in found.items() if key != "files"}


def _run(folder: Path, name: str) -> RunDir:
    return RunDir(folder / name.replace(" ", "_"))


def _host() -> int:
    """Largest resident memory of this process and of those that it started, in bytes."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) * 1024


if __name__ == "__main__":
    where, what, *rest = sys.argv[1:]
    works: dict[str, Callable[..., dict[str, Any]]] = {"prepare": prepare, "train": train, "merge": merge}
    figures = works[what](read_setting(Path(where)), Path(where), *rest)
    print(json.dumps({**figures, "host": _host()}))
