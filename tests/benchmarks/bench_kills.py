"""Kill commands at random moments, type them again, and compare with those that were left alone.

    python -m tests.benchmarks.bench_kills [--kills 20] [--in-a-row 1] [--seed 0] [--only merge]

Every second kill leaves the processes that a command has started alive. With ``--in-a-row 5`` a command is
left alone only after five.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from medft.models.tiny import twin
from tests.faults.kills import NAMES, moments, opened

_HEAD = f"{'command':<10}{'seconds':>9}{'lives':>7}{'kills':>7}{'survived':>10}{'left-overs':>12}"


@dataclass
class Row:
    """What came of the kills of one command."""

    name: str
    seconds: float
    """Of its life undisturbed."""
    lives: int = 0
    kills: int = 0
    """Those that met it alive; others are dealt again."""
    survived: int = 0
    """After which the result was equal, and nothing lay about."""
    left: int = 0
    """Things that lay about."""

    def __str__(self) -> str:
        return (
            f"{self.name:<10}{self.seconds:>9.1f}{self.lives:>7}{self.kills:>7}{self.survived:>10}"
            f"{self.left:>12}"
        )


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
    rows = []
    for name in NAMES:
        if given.only in ("", name):
            rows.append(_row(name, given.kills, given.in_a_row, given.seed))
            print(rows[-1], flush=True)
    print(f"{sum(row.survived for row in rows)} of {sum(row.kills for row in rows)} kills survived")


def _row(name: str, kills: int, in_a_row: int, seed: int) -> Row:
    with tempfile.TemporaryDirectory() as folder, opened(name, Path(folder).resolve()) as trial:
        trial.whole()  # the first has to read what is imported
        whole = trial.whole()
        dealt, row = moments(whole.seconds, kills, seed), Row(name, whole.seconds)
        while row.kills < kills and row.lives < 3 * kills:
            now = list(islice(dealt, min(in_a_row, kills - row.kills)))
            row.lives += 1
            try:
                end = trial.killed(now, whole, alone=row.lives % 2 == 0)
            except AssertionError as error:
                row.kills += len(now)
                print(f"  {name} killed at {now}: {error}", flush=True)
                continue
            row.kills += end.hit
            row.left += len(end.left)
            other = sorted(n for n, digest in whole.result.items() if end.result.get(n) != digest)
            row.survived += 0 if other or end.left else end.hit
            if other or end.left:
                print(f"  {name} killed at {now}: {other} differ, {end.left} left", flush=True)
    return row


if __name__ == "__main__":
    main()
