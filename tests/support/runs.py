"""Run folders as training leaves them, with invented losses: for tests of what reads them."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import yaml

from medft.runs import RunDir

BYTES_PER_NAT = 0.42
HEADER = "step,epoch,split,loss,bits_per_byte,learning_rate,grad_norm,tokens,seconds\n"


def make_run(
    root: Path,
    *,
    model: str = "mistral",
    dataset: str = "sample",
    seed: int = 1,
    steps: int = 60,
    floor: float = 2.0,
    noise: float = 0.1,
    settings: dict[str, Any] | None = None,
    fingerprints: dict[str, str] | None = None,
    finished: bool = True,
    bits: bool = True,
) -> RunDir:
    """A run whose loss falls from ``floor`` + 1.5 towards ``floor``; noise is drawn by folder and seed."""
    run = RunDir(root)
    root.mkdir(parents=True)
    config = {
        "model": {"name": model, "license": f"license of {model}"},
        "dataset": {"name": dataset},
        "template": {"name": "medical_qa"},
        "seed": seed,
        **(settings or {}),
    }
    run.config.write_text(yaml.safe_dump(config), encoding="utf-8")
    prints = fingerprints or {
        "data": f"data of {dataset}", "split": "split", "template": "template", "tokenizer": f"of {model}",
    }  # fmt: skip
    run.ledger.write_text(json.dumps({"fingerprints": prints}), encoding="utf-8")
    validation = _losses(run, steps, floor, noise, random.Random(f"{root}{seed}"), bits)
    if finished:
        summary = {
            "name": root.parent.name, "state": "finished", "model": model, "dataset": dataset,
            "template": "medical_qa", "scale": "tiny", "engine": "transformers", "seed": seed, "steps": steps,
            "validation_loss": validation, "tokens": 520 * steps, "seconds": 0.4 * steps,
            **({"bits_per_byte": validation * BYTES_PER_NAT} if bits else {}),
        }  # fmt: skip
        run.summary.write_text(json.dumps(summary), encoding="utf-8")
    return run


def _losses(run: RunDir, steps: int, floor: float, noise: float, draw: random.Random, bits: bool) -> float:
    every, last = max(1, steps // 5), math.nan
    lines = [HEADER]
    for step in range(1, steps + 1):
        true = floor + 1.5 * math.exp(-8 * step / steps)
        lines.append(_line(step, steps, "train", true + draw.gauss(0, noise), bits))
        if step % every == 0:
            last = true + 0.1 + draw.gauss(0, noise / 5)
            lines.append(_line(step, steps, "validation", last, bits))
    run.loss_csv.write_text("".join(lines), encoding="utf-8")
    return last


def _line(step: int, steps: int, split: str, loss: float, bits: bool) -> str:
    per_byte = f"{loss * BYTES_PER_NAT:.6f}" if bits else ""
    rate = "2e-4,1.0" if split == "train" else ","
    return f"{step},{step / steps:.4f},{split},{loss:.6f},{per_byte},{rate},{520 * step},{0.4 * step:.2f}\n"
