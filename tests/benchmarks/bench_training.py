"""Training speed: medft beside a plain TRL script and the published recipe, on the same base and rows.

    python -m tests.benchmarks.bench_training                  two narrow layers, a minute or two on a CPU
    python -m tests.benchmarks.bench_training --full           7B in NF4 with random weights, on a CUDA GPU
    ... --full --model llama3_1 --folder DIR    another architecture; DIR keeps base, rows, adapters, figures
    ... --full --folder DIR --rounds 1 --contenders "medft fast" --merge ""       one at a time
    ... --full --folder DIR --rounds 0 --merge "medft fast"    only the merge of the adapter that DIR holds
    ... --full --shape tiny                                    all that --full does, with narrow layers
    python -m tests.benchmarks.bench_training --real           SmolLM2-135M on a CPU, beside a bare loop
    ... --padding                                              padding of MedQuAD at 2048 tokens alone

Every contender trains in a process of its own, one after the other in every round; medians are compared.
Rows have MedQuAD's lengths: those of the csv where MEDFT_REAL_DATA names its folder, else drawn from its
quantiles. Their ids are random: speed does not depend on them. Steps 1 and 2, in which kernels are compiled,
are left out. Then an adapter is merged into the base, and the result judged from disk as `medft merge` does.
--full writes a checkpoint of the model's shape, a shard at a time, and needs 25 GB of disk at most.
DIR/results.json and DIR/results.md hold what was found so far, with machine and versions.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from medft.errors import RunError
from medft.machine import probe
from medft.plan.lengths import padding_ratio
from tests.benchmarks import training_figures
from tests.benchmarks.contenders import CONTENDERS, ON_CPU, Contender
from tests.benchmarks.medquad_lengths import grouped_ratio, medquad_lengths
from tests.benchmarks.training_setting import Setting

FAMILIES = ("mistral", "gemma", "llama2", "llama3_1")


def padding() -> None:
    """Processed over real tokens on MedQuAD: random batches as the plan expects, and grouped by length."""
    lengths = sorted(medquad_lengths(2048), reverse=True)
    for rows in (1, 2, 4, 8):
        grouped = grouped_ratio(lengths, rows, per_step=8)
        print(f"{rows} rows a batch: random {padding_ratio(lengths, rows):.3f}, grouped {grouped:.3f}")


def run(folder: Path, setting: Setting, rounds: int, names: list[str], merged: list[str]) -> bool:
    """Train as every contender ``rounds`` times, in turn, and merge the adapters of ``merged``.

    Returns:
        Whether nothing failed.
    """
    if setting.shape != "real":  # narrow layers are slower on several threads
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    results = training_figures.opened(folder, setting)
    jobs = [["prepare"], *[["train", name] for _ in range(rounds) for name in names]]
    failures = 0
    for job in [*jobs, *[["merge", name] for name in merged]]:
        found = _child(folder, *job)
        if found is None:
            failures += 1
            continue
        print(*job, json.dumps(found), flush=True)
        _enter(results, job, training_figures.stamped(found))
        training_figures.keep(folder, results)
    print(training_figures.table(results))
    return not failures


def _enter(results: dict[str, Any], job: list[str], found: dict[str, Any]) -> None:
    match job:
        case ["prepare"]:
            results["prepared"] = results["prepared"] or found  # a later call finds everything there
        case ["train", name]:
            results["contenders"].setdefault(name, []).append(found)
        case ["merge", name]:
            results["merges"][name] = found


def _child(folder: Path, *job: str) -> dict[str, Any] | None:
    """What a process of its own prints last; None, and the end of its log, where it failed."""
    log = folder / f"{'_'.join(job).replace(' ', '_')}.log"
    command = [sys.executable, "-m", "tests.benchmarks.training_child", str(folder), *job]
    environment = {"HF_HUB_OFFLINE": "1", **os.environ}
    with log.open("w") as errors:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    if done.returncode:
        print(f"{' '.join(job)} failed:\n{log.read_text()[-1500:]}", flush=True)
        return None
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _setting(arguments: argparse.Namespace) -> Setting:
    usual: Literal["model", "tiny"] = "model" if arguments.full else "tiny"
    shape: Literal["model", "tiny"] = arguments.shape if arguments.shape else usual
    if shape == "model" and not probe().gpus:
        sys.exit("the model's own shape needs a CUDA GPU; --shape tiny does not")
    if arguments.real:
        return Setting("smollm2", "real", "full", steps=arguments.steps, max_length=arguments.max_length)
    if arguments.full:
        return Setting(arguments.model, shape, "full", steps=30, max_length=2048)
    return Setting(arguments.model, shape, "tiny", steps=12, max_length=256)


def _names(given: str, known: Mapping[str, Contender]) -> list[str]:
    """The contenders in a list with commas that can run here; the others are named."""
    names = [name.strip() for name in given.split(",") if name.strip()]
    if unknown := set(names) - known.keys():
        sys.exit(f"no such contender: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name in names:
        if why := known[name].why_not():
            print(f"{name} is left out: {why}")
    return [name for name in names if known[name].why_not() is None]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="30 steps of rows up to 2048 tokens, recomputed")
    parser.add_argument("--model", choices=FAMILIES, default="mistral", help="whose architecture")
    parser.add_argument("--shape", choices=("model", "tiny"), help="sizes; model with --full, else tiny")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--contenders", help="with commas; all that there are, unless said otherwise")
    parser.add_argument("--merge", help="contenders whose adapters are merged and judged")
    parser.add_argument("--real", action="store_true", help="real weights on a CPU, in 16 bits")
    parser.add_argument("--steps", type=int, default=8, help="of --real")
    parser.add_argument("--max-length", type=int, default=384, help="of --real")
    parser.add_argument("--folder", type=Path, help="what is found here is used again")
    parser.add_argument("--padding", action="store_true", help="nothing but the padding of MedQuAD")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    padding()
    if arguments.padding:
        return
    known = ON_CPU if arguments.real else CONTENDERS
    asked, merge = arguments.contenders, "" if arguments.real else "medft fast"
    names = _names(",".join(known) if asked is None else asked, known)
    merged = _names(merge if arguments.merge is None else arguments.merge, known)
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            well = run(folder, _setting(arguments), arguments.rounds, names, merged)
        except RunError as error:
            sys.exit(str(error))
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
