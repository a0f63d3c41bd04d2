"""Five steps of real weights with either engine; with Unsloth's in a child process, on the CPU.

``python -m tests.real.unsloth_worker BASE OUT`` writes ``OUT/found.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from medft.data.record import Message
from medft.engine import engine
from medft.engine.base import Engine, LoadSpec
from medft.models import tokenizer as tokenizers
from medft.models.registry import Dtype
from medft.paths import samples_dir
from medft.prompt.encode import Encoder
from tests.engine import scenarios
from tests.support.sft import Row

DTYPES: tuple[Dtype, ...] = ("float32", "bfloat16")
STEPS, ROWS, LONGEST = 5, 4, 64


def run(which: Engine, base: Path, dtype: Dtype, out: Path) -> dict[str, Any]:
    """Five steps of four short rows of the bundled sample."""
    spec = LoadSpec(base, dtype, False, 4 * LONGEST)
    return scenarios.short_run(which, spec, out / dtype, _rows(base), learning_rate=5e-4)


def _rows(base: Path) -> list[Row]:
    tokenizer = tokenizers.load(base)
    encoder = Encoder(tokenizer, LONGEST, tokenizers.stop_ids(tokenizer, base))
    lines = (samples_dir() / "medical_qa.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line) for line in lines[: STEPS * ROWS]]
    turns = [[Message("user", one["question"]), Message("assistant", one["answer"])] for one in asked]
    return [
        {"input_ids": row.input_ids, "labels": row.labels, "answer_bytes": row.answer_bytes}
        for row in encoder.encode(turns)
    ]


def main(base: Path, out: Path) -> None:
    """Both types with Unsloth's engine and its fused kernels."""
    from tests.engine.unsloth_worker import fused_in_float32
    from tests.support import unsloth_on_cpu

    unsloth = engine("unsloth")
    with unsloth_on_cpu.on_cpu():
        unsloth.activate()
    with fused_in_float32():
        found = {dtype: run(unsloth, base, dtype, out) for dtype in DTYPES}
    (out / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
