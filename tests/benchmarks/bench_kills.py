"""Kill commands at random moments, type them again, and compare with those that were left alone.

    python -m tests.benchmarks.bench_kills [--kills 20] [--in-a-row 1] [--seed 0] [--only merge]

Every second kill leaves the processes that a command has started alive. With ``--in-a-row 5`` each life of a
command ends after five.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from medft.models.tiny import twin
from tests.faults.kills import NAMES, moments, opened

_HEAD = f"{'command':<10}{'seconds':>9}{'kills':>7}{'at work':>9}{'equal':>7}{'left-overs':>12}"


def main() -> None:
    """Kill, repeat, compare, show."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--in-a-row", type=int, default=1)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="")
    given = options.parse_args()
    os.environ.setdefault("MEDFT_TEST_TWINS", str(Path("artifacts/tiny").absolute()))
    twin("mistral", Path(os.environ["MEDFT_TEST_TWINS"]))
    print(_HEAD, flush=True)
    for name in NAMES:
        if given.only in ("", name):
            print(_row(name, given.kills, given.in_a_row, given.seed), flush=True)


def _row(name: str, kills: int, row: int, seed: int) -> str:
    with tempfile.TemporaryDirectory() as folder, opened(name, Path(folder).resolve()) as trial:
        expected, _ = trial.whole()
        _, seconds = trial.whole()  # the first had to read what is imported
        dealt = moments(seconds, kills, seed)
        hit = survived = 0
        left: list[str] = []
        for at in range(0, kills, row):
            try:
                end = trial.killed(dealt[at : at + row], alone=at // row % 2 == 1)
            except AssertionError as error:
                print(f"  {name} killed at {dealt[at : at + row]}: {error}", flush=True)
                continue
            hit, left = hit + end.hit, left + end.left
            survived += len(dealt[at : at + row]) if end.result == expected else 0
            if end.result != expected or end.left:
                other = sorted(n for n, digest in expected.items() if end.result.get(n) != digest)
                print(
                    f"  {name} killed at {dealt[at : at + row]}: {other} differ, {end.left} left", flush=True
                )
    return f"{name:<10}{seconds:>9.1f}{kills:>7}{hit:>9}{survived:>7}{len(left):>12}"


if __name__ == "__main__":
    main()
