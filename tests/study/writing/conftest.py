"""A small study as training and evaluation leave it: two cells of two seeds each, and one that failed."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from medft.evaluation.items import write_items
from medft.evaluation.leaks import RUN
from medft.evaluation.measures import Measure, Metric, summarize
from medft.files import write_json
from medft.runs import RunDir
from medft.study.cells import Cell, Trial, cells
from medft.study.config import Primary, StudyConfig
from medft.study.folder import StudyDir
from tests.support.runs import make_run

ITEMS = 60
RNG = np.random.default_rng(7)
BASE = RNG.normal(1.2, 0.2, ITEMS)
BYTES = [float(40 + number) for number in range(ITEMS)]
GAIN = {"8": 0.2, "16": 0.3}
SEED_SHIFT = {1: 0.004, 2: -0.004}
LEDGER: dict[str, Any] = {
    "dataset": "sample",
    "totals": {
        "rows_in": 900,
        "kept": {"train": 600, "validation": 60, "test": 60},
        "dropped": {"blank answer": 100, "duplicate": 80},
    },
    "sources": [
        {"name": "wards", "license": "CC-BY-4.0", "fingerprint": "a" * 40, "rows_in": 700,
         "kept": {"train": 500, "validation": 50, "test": 50}, "dropped": {"blank answer": 100},
         "repaired": {}, "repeated": {"MedQA": 3}, "screened_for": ["MedQA", "PubMedQA"]},
        {"name": "clinic", "license": "CC-BY-NC-4.0", "fingerprint": "b" * 40, "rows_in": 200,
         "kept": {"train": 100, "validation": 10, "test": 10}, "dropped": {"duplicate": 80}, "repaired": {}},
    ],
    "fingerprints": {"data": "d", "split": "s", "template": "t", "tokenizer": "of mistral"},
    "encoding": {"train": {"rows": 598, "problems": {"too long": 2}}},
    "notes": [],
}  # fmt: skip
SETTINGS: dict[str, Any] = {
    "model": {"name": "mistral", "base": "owner/mistral-7b", "revision": "c0ffee", "license": "apache-2.0"},
    "dataset": {
        "name": "sample", "phi": "warn", "cleaning": {"crlf": "mend", "model_refusal": "drop"},
        "split": {"validation": 0.1, "test": 0.1},
        "sources": {
            "wards": {"name": "wards", "license": "CC-BY-4.0", "homepage": "https://example.org/wards"},
            "clinic": {"name": "clinic", "license": "CC-BY-NC-4.0"},
        },
    },
    "template": {
        "name": "medical_qa",
        "tasks": {
            "qa": {"default": {"system": "You are a nurse.", "user": "{question}", "assistant": "{answer}"}}
        },
    },
    "trainer": {"epochs": 1.0, "learning_rate": 2e-4, "optimizer": "adamw_8bit"},
}  # fmt: skip
MERGE = {
    "dtype": "bfloat16", "rounding": "nearest", "not_compared": "",
    "logits": {
        "split": "test", "rows": 60, "gain": {"value": 0.2, "low": 0.15, "high": 0.25}, "choice": None,
        "lost": {"value": 0.002, "low": -0.001, "high": 0.005}, "quantised_lost": None,
    },
}  # fmt: skip


class Asked(NamedTuple):
    """An item of a suite."""

    id: str
    cluster: str = ""


Build = Callable[..., tuple[StudyConfig, StudyDir, list[Trial]]]


def items(count: int = ITEMS, name: str = "q") -> list[Asked]:
    """Items of two sources."""
    return [Asked(f"{'wards' if number % 3 else 'clinic'}:{name}{number}") for number in range(count)]


def config(tmp_path: Path, **more: Any) -> StudyConfig:
    """The settings of the study."""
    settings: dict[str, Any] = {
        "name": "small", "models": ("mistral",), "datasets": ("sample",), "seeds": (1, 2),
        "vary": {"lora.r": ("8", "16")}, "suites": ("heldout", "elsewhere", "harm"),
        "regression": ("elsewhere",), "safety": ("harm",), "primary": Primary(), "sample": 3,
        "artifacts": tmp_path / "artifacts",
    }  # fmt: skip
    return StudyConfig(**{**settings, **more})


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Builds the study: ``build(failed={("8", 2): "out of memory"}, change=-0.01, scale="tiny")``."""
    return builder(tmp_path)


def builder(tmp_path: Path) -> Build:
    """What the fixture ``build`` gives."""

    def built(
        failed: dict[tuple[str, int], str] | None = None,
        change: float = 0.0,
        scale: str = "full",
        gain: dict[str, float] | None = None,
        **settings: Any,
    ) -> tuple[StudyConfig, StudyDir, list[Trial]]:
        asked = config(tmp_path, **settings)
        trials = []
        for cell in cells(asked):
            for seed in asked.seeds:
                root = asked.artifacts / "runs" / f"r{cell.varied['lora.r']}" / str(seed)
                reason = (failed or {}).get((cell.varied["lora.r"], seed), "")
                if reason:
                    trials.append(Trial(cell, seed, RunDir(root), "failed", reason))
                    continue
                run = _run(root, cell, seed, scale)
                shift = (gain or GAIN)[cell.varied["lora.r"]] + SEED_SHIFT.get(seed, 0.0)
                _evaluated(run, shift, change)
                trials.append(Trial(cell, seed, run, "finished"))
        folder = StudyDir(asked.artifacts / "studies" / asked.name)
        folder.root.mkdir(parents=True)
        folder.write_settings(asked)
        folder.write_trials(trials)
        return asked, folder, trials

    return built


def _run(root: Path, cell: Cell, seed: int, scale: str) -> RunDir:
    settings = {**SETTINGS, "lora": {"r": int(cell.varied["lora.r"]), "alpha": 16}}
    run = make_run(root, seed=seed, settings=settings)
    write_json(run.ledger, LEDGER)
    summary = json.loads(run.summary.read_text())
    write_json(run.summary, {**summary, "scale": scale, "merge": MERGE, "tokens_per_second": 1000.0})
    machine = {"cpu_cores": 2, "ram_total": 8_000_000_000, "gpus": []}
    packages = {"medft": "0.1.0", "torch": "2.10.0"}
    write_json(run.environment, {"format": 3, "python": "3.11.7", "packages": packages, "machine": machine})
    return run


def _evaluated(run: RunDir, gain: float, change: float) -> None:
    for name, (kind, most, metrics) in _suites(round(gain, 6), change).items():
        _write(run, name, metrics, kind, most)
    _write_answers(run, items())


@functools.cache
def _suites(gain: float, change: float) -> dict[str, tuple[str, int | None, list[Metric]]]:
    """Three suites: what was gained in bits per byte, a change of accuracy elsewhere, and safe answers."""
    noise = np.random.default_rng(3).normal(0, 0.02, ITEMS)
    bits = {"base": list(BASE), "tuned": list(BASE - gain + noise)}
    rouge = {"base": [0.2] * ITEMS, "tuned": [0.2 + 0.001 * (n % 5) for n in range(ITEMS)]}
    runs = {"base": [0.0] * ITEMS, "tuned": [float(9 * (n % 7 == 0)) for n in range(ITEMS)]}
    of = items()
    heldout = [
        Measure("bits per byte", "mean", bits, BYTES, higher_is_better=False, items=of),
        Measure("ROUGE-L", "mean", rouge, items=of),
        Measure(RUN, "mean", runs, None, False, "", of),
    ]
    hits = [number % 2 == 0 for number in range(400)]
    moved = 2 * round(abs(change) * 400)
    other = [hit != (index < moved and hit == (change < 0)) for index, hit in enumerate(hits)]
    accuracy = {"base": list(map(float, hits)), "tuned": list(map(float, other))}
    elsewhere = Measure("acc", "share", accuracy, group="all tasks", items=items(400, "e"))
    safe = {"base": [1.0] * 30 + [0.0] * 10, "tuned": [1.0] * 32 + [0.0] * 8}
    harm = Measure("safe answers", "share", safe, items=items(40, "s"))
    return {
        "heldout": ("text", 256, [summarize(each, 0) for each in heldout]),
        "elsewhere": ("harness", None, [summarize(elsewhere, 0)]),
        "harm": ("safety", 200, [summarize(harm, 0)]),
    }


def _write(run: RunDir, name: str, metrics: list[Metric], kind: str, most: int | None) -> None:
    asked = len(metrics[0].per_item.items) if metrics[0].per_item else 0
    sampling = None if most is None else {"max_new_tokens": most, "temperature": 0.0}
    suite = {"kind": kind, "max_new_tokens": most, "dataset": None}
    write_json(
        run.evaluation / f"{name}.json",
        {"suite": name, "date": "2026-11-20", "tiny": False, "asked": asked, "left_out": {},
         "notes": ["Prompts: 1e48c4d68bbe (digest of all their words)."], "extras": {}, "weights": "adapter",
         "figures": [metric.to_json() for metric in metrics],
         "settings": {"suite": suite, "sampling": sampling, "seed": 0}},
    )  # fmt: skip
    write_items(run.evaluation / f"{name}.items.csv", metrics)


def _write_answers(run: RunDir, of: list[Asked]) -> None:
    lines = [
        json.dumps(
            {"item": item.id, "system": system, "kind": "generated", "text": f"{system} says <b>{number}</b>",
             "stopped": True, "tokens": 5, "group": "qa", "question": f"What is sign {number}?",
             "gold": "word " * (5 + 10 * (number % 3))}
        )
        for number, item in enumerate(of)
        for system in ("base", "tuned")
    ]  # fmt: skip
    (run.evaluation / "heldout.answers.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
