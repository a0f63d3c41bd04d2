"""How fast training rows are screened for benchmark items and identifiers, and how often wrongly.

    MEDFT_REAL_DATA=<folder with medquad.csv> python -m tests.benchmarks.bench_screening

Aims, on one core: 1 GB of text screened for test items in under 10 minutes; of MedQuAD's rows, none of which
is a benchmark's, fewer than 1 in 1,000 taken for one.

Seen on two cores with other work on them: 4.1 MB/s, 1 GB in 242 s, 6 rows of 16,407; identifiers 5 s.
"""

from __future__ import annotations

import csv
import os
import time
from pathlib import Path

from medft.data.chunk import ROWS
from medft.data.cleaning.benchmarks import shipped
from medft.data.cleaning.identifiers import redact_record
from medft.data.record import Record


def rows(path: Path) -> list[Record]:
    """The rows of MedQuAD's csv that have an answer."""
    with path.open(encoding="utf-8", newline="") as file:
        found = [row for row in csv.DictReader(file) if row["answer"].strip()]
    return [Record("1", "s", "qa", "en", question=row["question"], answer=row["answer"]) for row in found]


def main() -> None:
    """Print a line for each."""
    folder = os.environ.get("MEDFT_REAL_DATA")
    if not folder:
        print("bench_screening: MEDFT_REAL_DATA names no folder with medquad.csv")
        return
    records, known = rows(Path(folder) / "medquad.csv"), shipped()
    size = sum(len((record.question + record.answer).encode()) for record in records)
    start = time.perf_counter()
    parts = [records[start : start + ROWS] for start in range(0, len(records), ROWS)]
    hits = sum(item is not None for part in parts for item in known.items_in(part))
    rate = size / (time.perf_counter() - start)
    print(f"test items   {rate / 1e6:.1f} MB/s, 1 GB in {1e9 / rate:.0f} s; {hits} of {len(records):,} rows")
    start = time.perf_counter()
    found = sum(redact_record(record)[1].total() for record in records)
    print(f"identifiers  {time.perf_counter() - start:.1f} s, {found:,} found in {len(records):,} rows")


if __name__ == "__main__":
    main()
