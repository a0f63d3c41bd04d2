"""Figures of the training benchmark on disk: one JSON with machine and versions, one table in Markdown."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medft.errors import RunError
from medft.files import read_json, write_json, write_text
from medft.machine import probe
from medft.plan.environment import commit, versions
from tests.benchmarks.training_setting import ROWS_PER_STEP, Setting

Results = dict[str, Any]


def opened(folder: Path, setting: Setting) -> Results:
    """The figures in ``folder``, or none yet.

    Raises:
        RunError: they are of another setting, machine or version, and would not compare.
    """
    path, about = _json(folder), {"setting": asdict(setting), **_surroundings()}
    if not path.is_file():
        write_json(path, {**about, "prepared": None, "contenders": {}, "merges": {}})
    found: Results = read_json(path)
    if other := [key for key, value in about.items() if found[key] != value]:
        raise RunError(
            f"this folder holds figures of another {', '.join(other)}",
            where=str(folder),
            remedy="name a new --folder",
        )
    return found


def read_setting(folder: Path) -> Setting:
    """The setting that ``folder`` was opened with."""
    return Setting(**read_json(_json(folder))["setting"])


def keep(folder: Path, results: Results) -> None:
    """Write both files; done after every measurement, so that a time limit leaves those before it."""
    write_json(_json(folder), results)
    write_text(folder / "results.md", table(results))


def stamped(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures with the commit that they were measured at."""
    return {**figures, "commit": commit()}


def table(results: Results) -> str:
    """Medians over the rounds with ratios to the first contender, and what the judgement of merges found."""
    contenders, merges = results["contenders"], results["merges"]
    first = _medians(next(iter(contenders.values())))["tokens_per_second"] if contenders else None
    blocks = [
        _head(results),
        _markdown([_row(name, rounds, first) for name, rounds in contenders.items()]),
        _markdown([_merge_row(name, found) for name, found in merges.items()]),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _head(results: Results) -> str:
    setting, packages = Setting(**results["setting"]), results["packages"]
    names = ("torch", "transformers", "trl", "peft", "bitsandbytes", "unsloth")
    return "\n".join(
        [
            f"{setting.model}, {setting.shape} shape, {setting.steps} steps of {ROWS_PER_STEP} rows of up to "
            f"{setting.max_length} tokens, lengths: {results['lengths']}",
            f"{', '.join(results['gpus']) or 'no GPU'}; {results['threads']} threads on "
            f"{results['cpu_cores']} cores of {results['cpu']}; "
            + ", ".join(f"{name} {packages[name]}" for name in names),
        ]
    )


def _row(name: str, rounds: list[dict[str, Any]], first: float | None) -> dict[str, str]:
    of = _medians(rounds)
    return {
        "contender": name,
        "tokens/s": _cell(of["tokens_per_second"], ",.0f"),
        "ratio": _cell(_ratio(of["tokens_per_second"], first), ".2f"),
        "ms/step": _cell(_ratio(of["step_seconds"], 1e-3), ",.1f"),
        "peak GB": _gb(of["peak"]),
        "planned GB": _gb(of["planned"]),
        "planned/peak": _cell(_ratio(of["planned"], of["peak"]), ".3f"),
        "host GB": _gb(of["host"]),
        "MFU": _cell(of["mfu"], ".1%"),
        "medft's own share": _cell(of["overhead"], ".2%"),
        "rounds": str(len(rounds)),
    }


def _merge_row(name: str, found: dict[str, Any]) -> dict[str, str]:
    tensors, logits = found["tensors"], found["logits"]
    return {
        "adapter of": name,
        "merge s": _cell(found["seconds"], ".1f"),
        "judged s": _cell(found["verify_seconds"], ".1f"),
        "merged GB": _gb(found["bytes"]),
        "host GB": _gb(found["host"]),
        "weights": f"{tensors['tensors']}, {tensors['adapted']} adapted",
        "elements changed": _cell(tensors["changed_share"], ".1%"),
        "to PEFT's merge": _cell(logits["written"]["relative"], ".3g"),
        "rounding": _cell(logits["rounding"]["relative"], ".3g"),
        "to 4-bit base + adapter": _cell(logits["quantised"]["relative"], ".3g"),
        "compared in": f"{logits['compute_dtype']} on {', '.join(logits['devices'])}",
    }


def _markdown(rows: list[dict[str, str]]) -> str:
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _medians(rounds: list[dict[str, Any]]) -> dict[str, float | None]:
    """Of each figure; None for one that a contender does not have (a plan, a share of its own, MFU)."""
    found: dict[str, float | None] = {}
    for key in ("tokens_per_second", "step_seconds", "peak", "planned", "host", "mfu", "overhead"):
        values = [each[key] for each in rounds if each.get(key) is not None]
        found[key] = statistics.median(values) if values else None
    return found


def _ratio(value: float | None, of: float | None) -> float | None:
    return value / of if value is not None and of else None


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _gb(value: float | None) -> str:
    return _cell(_ratio(value, 1e9), ".3g")


def _json(folder: Path) -> Path:
    return folder / "results.json"


def _surroundings() -> dict[str, Any]:
    machine = probe()
    return {
        "gpus": [f"{gpu.name}, {gpu.total_bytes / 2**30:.0f} GiB" for gpu in machine.gpus],
        "cpu": _cpu(),
        "cpu_cores": machine.cpu_cores,
        "threads": int(os.environ.get("OMP_NUM_THREADS", machine.cpu_cores)),
        "host_memory": machine.ram_total,
        "lengths": "MedQuAD" if os.environ.get("MEDFT_REAL_DATA") else "drawn from MedQuAD's quantiles",
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions(),
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
