"""A run folder with an adapter on a tiny twin, as training leaves it, for whatever asks runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import yaml

from medft.compose import compose
from medft.models.tiny import twin
from medft.runs import RunDir


def make_run(artifacts: Path, stamp: str, seed: int, overrides: tuple[str, ...] = ()) -> RunDir:
    """A finished run whose adapter is random, so that base and tuned model disagree."""
    values = compose("train", ["model=mistral", "scale=tiny", f"artifacts={artifacts}", *overrides])
    asked = values["engine"]["load_in_4bit"]
    values["engine"]["load_in_4bit"] = asked is not False  # a run writes down what was decided
    run = RunDir(artifacts / "runs" / f"mistral-tiny-sample-{values['template']['name']}" / stamp)
    run.root.mkdir(parents=True)
    run.config.write_text(yaml.safe_dump(values), encoding="utf-8")
    run.environment.write_text(json.dumps({"resolved": {"scale": "tiny"}}), encoding="utf-8")
    share_twins(artifacts / "tiny")
    _adapter(twin("mistral", artifacts / "tiny").bits16, run.adapter, seed)
    run.summary.write_text("{}", encoding="utf-8")
    return run


def add_merged(run: RunDir, artifacts: Path) -> None:
    """Write merged/ by medft's own merge."""
    from tests.merge.small import write_merge

    write_merge(twin("mistral", artifacts / "tiny").bits16, run.adapter, run.merged)


def share_twins(folder: Path) -> None:
    """Let the run find the twins that all tests share, as the fixture ``twins`` does."""
    root = Path(os.environ.get("MEDFT_TEST_TWINS", "artifacts/tiny")).absolute()
    root.mkdir(parents=True, exist_ok=True)
    if not folder.exists():
        folder.symlink_to(root)


def _adapter(base: Path, folder: Path, seed: int) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"]),
    )
    torch.manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    model.save_pretrained(folder)
