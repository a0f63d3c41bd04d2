"""The format of run folders, and how a folder of an older one is read as today's.

Applied in memory when a folder is read; the folder itself is written in today's format when its run is
resumed. Only names change here. Fingerprints are results and are never made up: resuming computes today's and
compares, so a run whose rows, wording or tokenizer come out otherwise today is refused by name. Cached rows
and token ids need no migration: their folders are named by the code that made them, and are made again.
"""

from __future__ import annotations

import re

FORMAT = 3
"""Stands as ``format`` in environment.json; a folder without a number has format 1 (up to commit b3ab957)."""
RENAMED = {
    "config.yaml": {"trainer.objective": "trainer.sweep_metric"},
    "plan.json": {"trainer.objective": "trainer.sweep_metric"},
    "summary.json": {"objective": "sweep_metric"},
}
"""By file, the dotted keys of format 1 and what they are called today."""
RESPELLED = {"licence": "license", "licence_name": "license_name", "licence_url": "license_url",
             "licence_note": "license_note"}  # fmt: skip
"""Keys of format 1, wherever they are in a file, and how they are spelled today."""

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
"""What ``lora.target_modules`` was where nobody set it; today null stands for the layers found in the model,
which are these in the families of format 1."""


def migrate(file: str, values: dict[str, object], number: int) -> None:
    """Bring the content of ``file`` from format ``number`` to today's, in place."""
    if number < 3 and file == "summary.json" and "train_loss_last_fifth" not in values:
        _move(values, ["train_loss"], ["train_loss_last_fifth"])  # the mean of all steps today
    if number > 1:
        return
    _respell(values)
    lora = values.get("lora")
    asked = "lora.target_modules" in str(values.get("overrides"))
    if isinstance(lora, dict) and lora.get("target_modules") == PROJECTIONS and not asked:
        lora["target_modules"] = None
    for old, new in RENAMED.get(file, {}).items():
        _move(values, old.split("."), new.split("."))
        _rename_overrides(values, rf"^([+~]*){re.escape(old)}(?==|$)", new)
    for old, new in RESPELLED.items():
        _rename_overrides(values, rf"^([^=]*\.){old}(?==|$)", new)


def _rename_overrides(values: dict[str, object], key: str, new: str) -> None:
    overrides = values.get("overrides")
    if isinstance(overrides, list):
        values["overrides"] = [re.sub(key, rf"\g<1>{new}", str(override)) for override in overrides]


def _respell(value: object) -> None:
    if isinstance(value, list):
        for item in value:
            _respell(item)
    elif isinstance(value, dict):
        for key in list(value):
            item = value.pop(key)
            _respell(item)
            value[RESPELLED.get(key, key)] = item


def _move(values: dict[str, object], old: list[str], new: list[str]) -> None:
    origin: object = values
    for group in old[:-1]:
        origin = origin.get(group) if isinstance(origin, dict) else None
    if not isinstance(origin, dict) or old[-1] not in origin:
        return
    target = values
    for group in new[:-1]:
        inner = target.setdefault(group, {})
        if not isinstance(inner, dict):
            return
        target = inner
    target[new[-1]] = origin.pop(old[-1])
