"""The page of results: finished runs with their evaluations, and answers side by side -> Markdown."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from medft.files import read_json
from medft.format import duration
from medft.plan.environment import commit, versions
from medft.report.verdicts import PAIR, findings
from medft.runs import RunDir

SHOWN = ("bits per byte", "ROUGE-L", "chrF", "token F1", "termination rate", "repetition rate")
PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate")


def page(runs: Sequence[RunDir], asked: Sequence[Sequence[dict[str, Any]]], words: str) -> str:
    """The whole page.

    Args:
        runs: finished and evaluated, one per seed.
        asked: rows of question and answer, of the base and of the first run.
        words: what the script was called with.
    """
    summaries = [read_json(run.summary) for run in runs]
    found = {run.root.name: _metrics(run) for run in runs}
    blocks = [
        "# SmolLM2-135M on MedQuAD",
        _about(runs, summaries, words),
        "![Bits per byte of the validation rows over the steps of every seed](results.png)",
        "## What the training changed",
        "Rows of the test split, which no training and no choice saw; each seed splits anew, by condition. "
        "Intervals are 95%, of the paired difference.",
        _table(found),
        _verdict(found),
        "## What it took",
        _runs(runs, summaries),
        "## Ten questions of our own",
        "Greedy, at most 160 tokens, by the base and by the first seed. Neither is a doctor: errors stand as "
        "they were made.",
        *_side_by_side(asked),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _about(runs: Sequence[RunDir], summaries: Sequence[dict[str, Any]], words: str) -> str:
    machine = read_json(runs[0].environment)["machine"]
    installed, arguments = versions(), f' ARGS="{words}"' if words else ""
    return (
        f"Made by `make results{arguments}` at commit {commit()[:12] or 'unknown'}: "
        f"`trainer=cpu`, LoRA r16 on every projection, {len(runs)} seeds. "
        f"{machine['cpu_cores']} cores of {_processor()}, {machine['ram_total'] / 1e9:.0f} GB, no GPU; "
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {installed[name]}" for name in PACKAGES)
        + f". Weights: {summaries[0].get('base_file', {}).get('file', 'from the hub')}."
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "a CPU")


def _metrics(run: RunDir) -> dict[str, dict[str, Any]]:
    """Values and finding of every metric of the held-out suite, by name."""
    suite = read_json(run.evaluation / "heldout.json")
    said = findings([suite])
    return {
        metric["name"]: {"systems": metric["systems"], "found": said[key]}
        for metric in suite["figures"]
        if (key := (suite["suite"], "", metric["name"], PAIR)) in said
    }


def _table(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    rows = [("metric", "seed", "base", "tuned", "difference")]
    for name in SHOWN:
        for seed, metrics in found.items():
            if name not in metrics:
                continue
            base, tuned = (metrics[name]["systems"][which]["value"] for which in ("base", "tuned"))
            rows.append((name, seed, f"{base:.3f}", f"{tuned:.3f}", metrics[name]["found"].words))
    return _markdown(rows)


def _verdict(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    """What got worse, said as plainly as what got better."""
    lines = []
    for verdict in ("better", "worse", "no significant change", "too few items"):
        named = {
            name: [seed for seed, metrics in found.items()
                   if name in metrics and metrics[name]["found"].verdict == verdict]
            for name in SHOWN
        }  # fmt: skip
        told = [f"{name} ({len(seeds)} of {len(found)} seeds)" for name, seeds in named.items() if seeds]
        lines.append(f"* {verdict[0].upper()}{verdict[1:]}: {', '.join(told) or 'nothing'}.")
    return "\n".join(lines)


def _runs(runs: Sequence[RunDir], summaries: Sequence[dict[str, Any]]) -> str:
    rows = [("seed", "steps", "tokens", "tokens/s", "time", "peak memory", "validation", "test")]
    for run, each in zip(runs, summaries, strict=True):
        rows.append(
            (
                run.root.name, f"{each['steps']}", f"{each['tokens']:,}", f"{each['tokens_per_second']:.0f}",
                duration(each["seconds"]), f"{each['peak_memory_bytes'] / 1e9:.1f} GB",
                f"{each['base_bits_per_byte']:.3f} -> {each['bits_per_byte']:.3f}",
                f"{each['base_test_bits_per_byte']:.3f} -> {each['test_bits_per_byte']:.3f}",
            )
        )  # fmt: skip
    gain = fmean(each["base_test_bits_per_byte"] - each["test_bits_per_byte"] for each in summaries)
    return f"{_markdown(rows)}\n\nOn average {gain:.3f} bits a byte fewer on test rows."


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    lines = [head, ["---"] * len(head), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _side_by_side(asked: Sequence[Sequence[dict[str, Any]]]) -> list[str]:
    blocks = []
    for base, tuned in zip(*asked, strict=True):
        blocks.append(f"**{base['question']}**")
        blocks += [f"*{name}*: {_one_line(row)}" for name, row in (("base", base), ("tuned", tuned))]
    return blocks


def _one_line(row: dict[str, Any]) -> str:
    text = " ".join(str(row.get("answer") or row.get("error")).split())
    return text if row.get("stopped", True) else f"{text} [cut]"
