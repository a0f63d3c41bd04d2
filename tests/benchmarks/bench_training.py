"""Training speed: medft beside a plain TRL script and the published recipe, on the same base and rows.

    python -m tests.benchmarks.bench_training                  tiny twin, a minute or two on a CPU
    python -m tests.benchmarks.bench_training --full           7B in NF4 with random weights, on a CUDA GPU
    ... --full --folder DIR --rounds 1 --contenders "medft fast"    one at a time; DIR keeps base and rows
    python -m tests.benchmarks.bench_training --padding        padding of MedQuAD at 2048 tokens alone

Every contender trains in a process of its own, one after the other in every round; medians are compared.
Rows have MedQuAD's lengths: those of the csv where MEDFT_REAL_DATA names its folder, else drawn from its
quantiles. Their ids are random: speed does not depend on them. Steps 1 and 2, in which kernels are compiled,
are left out. --full builds a checkpoint of Mistral-7B's shape, a shard at a time, and needs 19 GB of disk.
Every result is printed when it is there, so that a time limit leaves those before it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from medft.plan.lengths import padding_ratio
from tests.benchmarks.contenders import CONTENDERS, Setting, measure, prepare
from tests.benchmarks.medquad_lengths import grouped_ratio, medquad_lengths

TINY = Setting(steps=12, max_length=256, scale="tiny")
FULL = Setting(steps=30, max_length=2048, scale="full")


def padding() -> None:
    """Processed over real tokens on MedQuAD: random batches as the plan expects, and grouped by length."""
    lengths = sorted(medquad_lengths(2048), reverse=True)
    for rows in (1, 2, 4, 8):
        grouped = grouped_ratio(lengths, rows, per_step=8)
        print(f"{rows} rows a batch: random {padding_ratio(lengths, rows):.3f}, grouped {grouped:.3f}")


def run(setting: Setting, names: list[str], rounds: int, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Measure every contender ``rounds`` times, in turn."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    _child(setting, folder, "--prepare")
    for name in [name for _ in range(rounds) for name in names]:
        if (result := _child(setting, folder, "--one", name)) is not None:
            found[name].append(result)
            print(name, json.dumps(result), flush=True)
    return {name: results for name, results in found.items() if results}


def _child(setting: Setting, folder: Path, *arguments: str) -> dict[str, Any] | None:
    """What a process of its own prints last; None, and the end of its log, where it failed."""
    log = folder / f"{'-'.join(arguments).strip('-').replace(' ', '_')}.log"
    command = [sys.executable, "-m", "tests.benchmarks.bench_training", *arguments, "--folder", str(folder)]
    command += ["--full"] if setting.scale == "full" else []
    environment = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **os.environ}
    with log.open("w") as errors:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    if done.returncode:
        print(f"{arguments[-1]} failed:\n{log.read_text()[-1500:]}", flush=True)
        return None
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(found: dict[str, list[dict[str, Any]]]) -> None:
    """Medians over the rounds, and ratios to the first contender."""
    speeds = {name: _median(results, "tokens_per_second") for name, results in found.items()}
    first = next(iter(speeds.values()))
    for name, results in found.items():
        cells = [
            f"{speeds[name]:>9,.0f} tok/s",
            f"{speeds[name] / first:5.2f}x",
            f"{_median(results, 'step_seconds') * 1e3:>9,.1f} ms/step",
            f"peak {_median(results, 'peak') / 1e9:5.2f} GB",
            f"host {_median(results, 'host') / 1e9:5.2f} GB",
        ]
        if results[0].get("planned"):
            cells.append(f"planned {_median(results, 'planned') / 1e9:5.2f} GB")
        if results[0].get("overhead"):
            cells.append(f"medft's own share {_median(results, 'overhead'):.2%}")
        if results[0]["mfu"]:
            cells.append(f"MFU {_median(results, 'mfu'):.1%}")
        print(f"{name:<18}", "  ".join(cells))


def _median(results: list[dict[str, Any]], key: str) -> float:
    return statistics.median(result[key] for result in results)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--padding", action="store_true")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--one")
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    setting = FULL if arguments.full else TINY
    if arguments.prepare:
        prepare(setting, arguments.folder)
        print("{}")
        return
    if arguments.one:
        print(json.dumps(measure(arguments.one, setting, arguments.folder)))
        return
    padding()
    if arguments.padding:
        return
    from medft.plan.machine import probe

    if setting.scale == "full" and not probe().gpus:
        sys.exit("--full needs a CUDA GPU")
    names = [name for name in arguments.contenders.split(",") if CONTENDERS[name].runs_here()]
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        table(run(setting, names, arguments.rounds, folder))


if __name__ == "__main__":
    main()
