"""Thousands of random faults, and what came of them.

    python -m tests.benchmarks.bench_faults [--cases 3000] [--seed 0] [--show 20]

Random words on the command line, damaged data files, damaged YAML, damaged run folders: tests/faults/fuzz.py.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import tempfile
import time
from pathlib import Path

from tests.faults.fuzz import Fuzzer

KINDS = ("overrides", "data", "conf", "folder")


def main() -> None:
    """Try, count, show."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cases", type=int, default=3_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--show", type=int, default=20)
    given = options.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        folder = Path(name) / "here"
        folder.mkdir()
        os.chdir(folder)
        os.environ.update(XDG_CACHE_HOME=str(folder / "cache"), HF_HUB_OFFLINE="1")
        fuzzer = Fuzzer(folder, given.seed)
        for kind in itertools.islice(itertools.cycle(KINDS), given.cases):
            fuzzer.try_one(kind)
        account = fuzzer.account
    print(f"{account.cases} cases in {time.monotonic() - began:.0f} s: {dict(account.kinds)}")
    print(
        f"{account.messages} clear messages, {account.results} results, {len(account.vague)} of the last net"
    )
    print(f"{len(account.wrong)} tracebacks, writes elsewhere or other ends")
    for line in (*account.wrong[: given.show], *account.vague[: given.show]):
        print("  ", line.encode("ascii", "backslashreplace").decode())


if __name__ == "__main__":
    main()
