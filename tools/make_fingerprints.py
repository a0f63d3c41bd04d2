"""medft/data/cleaning/benchmarks.npz: hashes of the test items of public medical benchmarks.

Run it as ``python tools/make_fingerprints.py [FOLDER]``. It reads the public files at the commits that
``SOURCES`` names, from clones in FOLDER, which it makes where there are none. Hashes alone are written,
never a text.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from medft.data.cleaning.benchmarks import FILE, PUBMEDQA, Covered, write
from medft.data.cleaning.fingerprints import Item, fingerprint
from medft.data.cleaning.keys import words

COMMON = 0.01
"""Share of all items from which on a word of theirs tells nothing."""
MOST_ITEMS = 3
"""A run that more items share is a stock phrase."""
Texts = dict[str, str]


def pubmedqa(files: Texts) -> Iterator[Item]:
    """Question; passages and the long answer."""
    examples, test = (json.loads(text) for text in files.values())
    for pmid in test:
        example = examples[pmid]
        yield example["QUESTION"], (*example["CONTEXTS"], example["LONG_ANSWER"]), ()


def lettered(files: Texts) -> Iterator[Item]:
    """One object a line, with the options by letter."""
    for row in _lines(files):
        yield row["question"], (), tuple(row["options"].values())


def listed(files: Texts) -> Iterator[Item]:
    """One object a line, with the options in a list, each behind its letter."""
    for row in _lines(files):
        yield row["question"], (), tuple(option[3:] for option in row["choices"])


def headqa(files: Texts) -> Iterator[Item]:
    """Exams with their questions and answers."""
    for text in files.values():
        for exam in json.loads(text)["exams"].values():
            for row in exam["data"]:
                yield row["qtext"], (), tuple(answer["atext"] for answer in row["answers"])


def _lines(files: Texts) -> Iterator[dict[str, Any]]:
    for text in files.values():
        yield from map(json.loads, text.splitlines())


MEDAGENTS = "xk-huang/medagents-benchmark", "56ca11eb1ef89f6bb7fad6284008bf39e08785b0"
SOURCES: dict[str, tuple[tuple[str, str], tuple[str, ...], int, Callable[[Texts], Iterator[Item]]]] = {
    PUBMEDQA: (
        ("pubmedqa/pubmedqa", "1cbae8e92f72f20c8d3747cbb3bf5bc53554d997"),
        ("data/ori_pqal.json", "data/test_ground_truth.json"),
        500,
        pubmedqa,
    ),
    "MedQA (US, test)": (MEDAGENTS, ("data/medqa/test.jsonl",), 1273, lettered),
    "MedMCQA (validation)": (
        ("Saf9933/Medpredict", "f8604a956addb057e059c8d1ecc8943ce3b38f45"),
        ("data/medmcqa/validation.jsonl",),
        4183,
        listed,
    ),
    "MMLU (six medical subjects, test)": (MEDAGENTS, ("data/mmlu/test.jsonl",), 1089, lettered),
    "HeadQA (Spanish and English, test)": (
        ("claudiaqw/head-qa-afi", "9a8c0b3be470a1d3a271dac15e9b0ef400e70d75"),
        ("data/HEAD/test_HEAD.json", "data/HEAD_EN/test_HEAD_EN.json"),
        5484,
        headqa,
    ),
}
"""By benchmark: repository and commit, files, how many items there must be, and how the files are read."""


def main(folder: Path) -> None:
    """Write the file, and say what is in it."""
    covered, items = [], []
    for name, (source, paths, count, read) in SOURCES.items():
        read_here = list(read(_files(folder, *source, paths)))
        if len(read_here) != count:
            raise SystemExit(f"{name}: {len(read_here)} items, {count} expected")
        covered.append(Covered(name, count, f"github.com/{source[0]} at {source[1]}: {', '.join(paths)}"))
        items += read_here
    said = Counter(word for item in items for word in {w for text in _texts(item) for w in words(text)})
    common = {word for word, count in said.items() if count >= COMMON * len(items)}
    found = fingerprint(items, common)
    shared, times = np.unique(np.concatenate([item.runs for item in found]), return_counts=True)
    stock = shared[times > MOST_ITEMS]
    kept = [replace(item, runs=item.runs[~np.isin(item.runs, stock)]) for item in found]
    write(FILE, covered, kept)
    bare = sum(not len(item.runs) + len(item.question) for item in kept)
    runs = sum(len(item.runs) for item in kept)
    print(f"{len(items):,} items, {runs:,} runs, {len(common)} common words, {bare} items not covered")
    print(f"{FILE}: {FILE.stat().st_size / 1e6:.2f} MB")


def _texts(item: Item) -> tuple[str, ...]:
    question, long, options = item
    return (question, *long, *options)


def _files(folder: Path, repository: str, commit: str, paths: tuple[str, ...]) -> Texts:
    clone = folder / repository.replace("/", "+")
    if not clone.exists():
        subprocess.run(["git", "clone", "--bare", f"https://github.com/{repository}", str(clone)], check=True)
    show = ["git", "-C", str(clone), "show"]
    return {
        path: subprocess.run([*show, f"{commit}:{path}"], check=True, capture_output=True).stdout.decode()
        for path in paths
    }


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "benchmark-sources"))
