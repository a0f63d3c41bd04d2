"""How long data preparation takes and how much memory it needs, against its aims.

    MEDFT_REAL_DATA=<folder with medquad.csv> python -m tests.benchmarks.bench_prepare
    python -m tests.benchmarks.bench_prepare 16000 160000 1600000

Without arguments: the whole real MedQuAD csv, near-duplicate search included; aims: 20 s on two cores, 2 GB.
With numbers: that many synthetic rows each, in a process of its own, so that the peak of each is seen; what
grows with the rows is the index; aim: 1 kB a row.

Seen on two cores, with other work on them: MedQuAD 5 to 11 s, 0.26 GB; 16,000 rows 6 s, 191 MB; 160,000 rows
102 s, 305 MB; 1,600,000 rows 647 s, 1,146 MB, so 0.6 kB a row.
"""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from medft.data.config import ColumnsConfig, DatasetConfig
from medft.data.prepare import prepare

SECONDS, MEGABYTES, BYTES_A_ROW = 20, 2048, 1000


def measure(path: Path) -> dict[str, Any]:
    """Prepare one csv in a fresh folder: its ledger in a line, rows, seconds and peak memory in MB."""
    columns = ColumnsConfig(question="question", answer="answer")
    config = DatasetConfig(name="bench", reader="csv", path=path, columns=columns)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        prepared = prepare(config, seed=1, processed=Path(folder))
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    summary, rows = prepared.ledger.summary(), prepared.ledger.rows_in
    print(f"{summary}: {seconds:.1f} s, {rows / seconds:,.0f} rows/s, peak {peak:,.0f} MB", file=sys.stderr)
    return {"rows": rows, "seconds": seconds, "peak": peak}


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


def grow(sizes: list[int]) -> str:
    """Measure synthetic data of each size; what a row needs from the first to the last."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for rows in sizes:
            path = Path(folder) / f"{rows}.csv"
            synthesize(path, rows)
            command = [sys.executable, "-m", "tests.benchmarks.bench_prepare", "--one", str(path)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found.append(json.loads(done.stdout))
            path.unlink()
    first, last = found[0], found[-1]
    each = (last["peak"] - first["peak"]) * 2**20 / max(last["rows"] - first["rows"], 1)
    return f"{each:,.0f} bytes a row; aim: {BYTES_A_ROW:,}"


def main() -> None:
    """Measure what was asked for, and say what the aims are."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
    elif sys.argv[1:]:
        print(grow([int(rows) for rows in sys.argv[1:]]))
    elif real := os.environ.get("MEDFT_REAL_DATA"):
        measure(Path(real) / "medquad.csv")
        print(f"aims: {SECONDS} s, {MEGABYTES:,} MB")
    else:
        sys.exit("set MEDFT_REAL_DATA to a folder with medquad.csv, or give numbers of synthetic rows")


if __name__ == "__main__":
    main()
