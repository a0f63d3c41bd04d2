"""Kill commands at random moments, type them again, and compare with those that were left alone.

python -m tests.benchmarks.bench_kills [--kills 20] [--seed 0] [--only merge]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from tests.faults.kills import KINDS, killed, moments, whole


def main() -> None:
    """Kill, repeat, compare, show."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="")
    given = options.parse_args()
    os.environ.setdefault("MEDFT_TEST_TWINS", str(Path("artifacts/tiny").absolute()))
    print(f"{'command':<10}{'kills':>6}{'at work':>9}{'equal':>7}{'left-overs':>12}")
    for kind in KINDS:
        if given.only in ("", kind.name):
            with tempfile.TemporaryDirectory() as name:
                expected, seconds = whole(kind, Path(name))
                ends = [
                    killed(kind, Path(name), moment) for moment in moments(seconds, given.kills, given.seed)
                ]
            hit, equal = sum(e[1] for e in ends), sum(e[0] == expected for e in ends)
            left = sum(len(e[2]) for e in ends)
            print(f"{kind.name:<10}{given.kills:>6}{hit:>9}{equal:>7}{left:>12}", flush=True)


if __name__ == "__main__":
    main()
