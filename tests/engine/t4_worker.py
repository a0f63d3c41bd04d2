"""The child process in which whole commands of medft run as on a Tesla T4, on the CPU.

``python -m tests.engine.t4_worker FOLDER``: the commands are run in FOLDER, which holds the tiny twins under
artifacts/tiny; FOLDER/found.json has their exit codes. A T4 has no bfloat16: float16, with gradients scaled
by a GradScaler, which skips the steps whose gradients overflow. Then Unsloth's kernels are compiled, as they
would be on cards of several generations: FOLDER/compiled.json.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from medft import machine
from medft.cli import main
from medft.engine import engine, toolchain
from medft.training.losslog import read_rows
from tests.support import unsloth_compiled, unsloth_on_cpu
from tests.support.drivers import MACHINES

STEPS, STOPPED_AFTER, FIRST_SCALE = 12, 5, 2.0**26
"""A first scale so high that steps are skipped."""
TRAIN = (
    "train", "model=mistral", "scale=tiny", "engine.gradient_checkpointing=unsloth",
    f"trainer.max_steps={STEPS}",
    "trainer.eval_steps=6", "trainer.save_steps=3", "trainer.learning_rate=4e-3", "logger.wandb=offline",
)  # fmt: skip


def as_on_a_t4() -> None:
    """What medft asks the driver and Unsloth asks torch is answered as on that card."""
    machine._library = MACHINES["t4"].load
    machine.probe.cache_clear()
    toolchain.demand_gpu = lambda: None
    toolchain.uncompilable = lambda: None
    unsloth_compiled.pretend(75)
    with unsloth_on_cpu.on_cpu((7, 5), interpreted=False, xformers=True):
        engine("unsloth").activate()
    _scale_gradients()


def _scale_gradients() -> None:
    """accelerate and medft leave float16 out on a CPU."""
    import accelerate
    import torch

    from medft.training.sft import build

    begin = accelerate.Accelerator.__init__

    def scaled(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        if self.mixed_precision == "fp16":
            self.native_amp, self.scaler = True, torch.amp.GradScaler("cpu", init_scale=FIRST_SCALE)

    accelerate.Accelerator.__init__ = scaled
    compute = build.Compute
    build.Compute = lambda *given: dataclasses.replace(compute(*given), cuda=True)  # type: ignore[assignment,misc]


def stopped_after(run: Path) -> None:
    """SIGTERM to this process, when its run has come so far."""
    log = run / "loss.csv"
    while not (log.is_file() and any(int(row["step"]) >= STOPPED_AFTER for row in read_rows(log))):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)


def commands(folder: Path) -> dict[str, int]:
    """The exit codes of the story of two runs, of which one is stopped and resumed."""
    os.chdir(folder)
    whole, cut = folder / "whole", folder / "cut"
    (folder / "questions.txt").write_text("What is asthma?\n")
    codes = {"train": main([*TRAIN, f"run_dir={whole}"])}
    threading.Thread(target=stopped_after, args=(cut,), daemon=True).start()
    codes["stopped"] = main([*TRAIN, "merge=false", f"run_dir={cut}"])
    codes["resumed"] = main(["train", f"resume={cut}"])
    codes["evaluate"] = main(["evaluate", f"run={whole}", "suite=heldout", "suite.heldout.limit=2"])
    codes["chat"] = main(["chat", f"run={whole}", "questions=questions.txt", "answers=answers.jsonl"])
    return codes


if __name__ == "__main__":
    as_on_a_t4()
    place = Path(sys.argv[1])
    (place / "found.json").write_text(json.dumps(commands(place)))
    (place / "compiled.json").write_text(json.dumps(unsloth_compiled.compiled()))
