"""How long data preparation takes and how much memory it needs.

    MEDFT_REAL_DATA=<folder with medquad.csv> python tests/benchmarks/bench_prepare.py
    python tests/benchmarks/bench_prepare.py 16000 160000 1600000

Without arguments: the whole real MedQuAD csv, near-duplicate search included. With numbers: that many
synthetic rows each, in a process of its own, so that the peak of each is seen; what grows with the rows is
the index. Aims: 60 s and 2 GB for MedQuAD on two cores, 1 kB of index a row.
"""

from __future__ import annotations

import csv
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from medft.data.config import ColumnsConfig, DatasetConfig
from medft.data.prepare import prepare


def measure(path: Path) -> str:
    """Prepare one csv in a fresh folder; its ledger, seconds and peak memory in one line."""
    columns = ColumnsConfig(question="question", answer="answer")
    config = DatasetConfig(name="bench", reader="csv", path=path, columns=columns)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        prepared = prepare(config, seed=1, processed=Path(folder))
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = prepared.ledger.rows_in
    return f"{prepared.ledger.summary()}: {seconds:.1f} s, {rows / seconds:,.0f} rows/s, peak {peak:,.0f} MB"


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


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "--one":
        print(measure(Path(sys.argv[2])))
    elif len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as folder:
            for rows in map(int, sys.argv[1:]):
                path = Path(folder) / f"{rows}.csv"
                synthesize(path, rows)
                subprocess.run([sys.executable, __file__, "--one", str(path)], check=True)
                path.unlink()
    elif real := os.environ.get("MEDFT_REAL_DATA"):
        print(measure(Path(real) / "medquad.csv"))
    else:
        sys.exit("set MEDFT_REAL_DATA to a folder with medquad.csv, or give numbers of synthetic rows")


if __name__ == "__main__":
    main()
