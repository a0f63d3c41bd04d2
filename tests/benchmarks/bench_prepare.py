"""How long data preparation takes and how much memory it needs, against its aims.

    MEDFT_REAL_DATA=<folder with medquad.csv> python -m tests.benchmarks.bench_prepare
    python -m tests.benchmarks.bench_prepare 16000 160000 1600000 [--processes 2] [--unchecked]
    python -m tests.benchmarks.bench_prepare --divide 16000000

Without arguments: the whole real MedQuAD csv with every check on, by one process and by one for each core;
aim: 20 s on two cores. With numbers: that many synthetic rows of 300 characters each, in a process of its
own, and the memory of all its processes together at its peak; ``--unchecked`` looks neither for benchmark
items nor for identifiers. Aims for 1,600,000 rows so on two cores: 200 s and 1,500 MB. ``--divide``: the
memory of what follows the reading of so many rows, their index filled with random keys; aim: 8 GB for
16,000,000.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from medft.data.config import ColumnsConfig, DatasetConfig
from medft.data.prepare import prepare

SECONDS = 20


def measure(path: Path, processes: int | None, checked: bool) -> dict[str, Any]:
    """Prepare one csv in a fresh folder: rows, seconds by the clock and of all processors, MB at the peak."""
    config = DatasetConfig(
        name="bench",
        reader="csv",
        path=path,
        columns=ColumnsConfig(question="question", answer="answer"),
        processes=processes,
        phi="warn" if checked else "off",
        allow_benchmark_test=not checked,
    )
    memory = Memory()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        start = time.perf_counter()
        prepared = prepare(config, seed=1, processed=Path(folder))
        seconds, costs = time.perf_counter() - start, prepared.costs()
    peak, used = memory.peak(), _processor_seconds()
    summary, rows = prepared.ledger.summary(), prepared.ledger.rows_in
    print(
        f"{summary}: {seconds:.1f} s ({used:.1f} s of all processors), peak {peak:,.0f} MB", file=sys.stderr
    )
    slowest = sorted(costs.items(), key=lambda item: -item[1])[:8]
    print("  " + ", ".join(f"{name} {cost:.1f} s" for name, cost in slowest), file=sys.stderr)
    return {"rows": rows, "seconds": seconds, "used": used, "peak": peak}


def _processor_seconds() -> float:
    """Of this process and of those that it has started and that have ended; imports among them."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


class Memory:
    """The memory of this process and its children, looked at five times a second (proportional set size, so
    that what they share counts once)."""

    def __init__(self) -> None:
        self._most, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def peak(self) -> float:
        """The most there was, in MB."""
        self._over.set()
        self._thread.join()
        return max(self._most / 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
            self._most = max(self._most, sum(map(_kilobytes, ["self", *children])))


def _kilobytes(process: str) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended meanwhile
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def synthesize(path: Path, rows: int) -> None:
    """A csv of random words, with 5% near duplicates and 1% boilerplate."""
    draw = random.Random(rows)
    words = [f"{a}{b}" for a in ("car", "neu", "der", "hep", "ost", "pul") for b in range(800)]
    answer = draw.choices(words, k=40)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "answer"])
        for number in range(rows):
            kind = draw.random()
            if kind > 0.05:
                answer = draw.choices(words, k=40)
            text = "See your doctor." if kind > 0.99 else " ".join(answer) + f" {number}"
            writer.writerow([f"What is {draw.choice(words)} {number} ?", text])


def grow(options: argparse.Namespace) -> None:
    """Measure synthetic data of each size; a table."""
    how = ["--unchecked"] if options.unchecked else []
    how += ["--processes", str(options.processes)] if options.processes else []
    print(f"{'rows':>12} {'s':>8} {'CPU s':>8} {'MB':>8}   {' '.join(how)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for rows in options.sizes:
            path = Path(folder) / f"{rows}.csv"
            synthesize(path, rows)
            command = [sys.executable, "-m", "tests.benchmarks.bench_prepare", "--one", str(path), *how]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found = json.loads(done.stdout)
            path.unlink()
            row = (
                f"{found['rows']:>12,} {found['seconds']:>8.1f} {found['used']:>8.1f} {found['peak']:>8,.0f}"
            )
            print(row, flush=True)


def divide_random(rows: int) -> None:
    """Divide an index of so many rows with random keys and signatures, 4 words a question."""
    import numpy as np

    from medft.data.cleaning.key_index import UNSPLIT, KeyIndex
    from medft.data.cleaning.near_duplicates import PERMUTATIONS
    from medft.data.splitting.division import divide
    from medft.data.splitting.ties import NearCopies

    memory, draw, index, near = Memory(), np.random.default_rng(1), KeyIndex(), NearCopies.none()
    for first in range(0, rows, 100_000):
        part = KeyIndex()
        size = min(100_000, rows - first)
        for name in ("question", "answer", "content"):
            getattr(part, name).frombytes(draw.integers(1, 2**63, size, dtype=np.uint64).tobytes())
        for name, value in (("stratum", 7), ("verdict", 0), ("source", 0), ("split", UNSPLIT)):
            getattr(part, name).extend([value] * size)
        for name in ("held_out", "paired", "faults"):
            getattr(part, name).extend([0] * size)
        part._tie_row.extend([row for row in range(size) for _ in range(2)])
        part._tie_key.frombytes(draw.integers(1, 2**63, 2 * size, dtype=np.uint64).tobytes())
        part._tie_field.extend([0, 2] * size)
        part._tie_words.extend([4, 41] * size)
        index.extend(part)
        near.texts._values.frombytes(draw.integers(0, 2**16, (size, PERMUTATIONS), dtype=np.uint16).tobytes())
        near.texts._place.extend(range(first, first + size))
        near.texts._signed += size
        near.contexts._place.extend([-1] * size)
        words = draw.integers(0, 5000, (size, 4), dtype=np.uint32)
        words[:, :2], words[:, 3] = (1, 2), np.arange(first, first + size) + 10**6
        near.questions._words.frombytes(words.tobytes())
        near.questions._ends.extend(range(4 * first + 4, 4 * (first + size) + 4, 4))
    start = time.perf_counter()
    config = DatasetConfig(name="bench", reader="csv", path=Path("none"))
    division = divide(index, near, config, 1)
    seconds, kept = time.perf_counter() - start, int(division.selection.kept.sum())
    print(
        f"{kept:,} of {rows:,} rows divided in {seconds:.0f} s, peak {memory.peak():,.0f} MB; aim: 8,192 MB"
    )


def main() -> None:
    """Measure what was asked for, and say what the aims are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int)
    parser.add_argument("--processes", type=int)
    parser.add_argument("--unchecked", action="store_true")
    parser.add_argument("--one", type=Path)
    parser.add_argument("--divide", type=int)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.processes, not options.unchecked)))
    elif options.divide:
        divide_random(options.divide)
    elif options.sizes:
        grow(options)
    elif real := os.environ.get("MEDFT_REAL_DATA"):
        for processes in (1, None):
            measure(Path(real) / "medquad.csv", processes, True)
        print(f"aim: {SECONDS} s")
    else:
        sys.exit("set MEDFT_REAL_DATA to a folder with medquad.csv, or give numbers of synthetic rows")


if __name__ == "__main__":
    main()
