"""Votes on the page of a blind rating -> metrics, agreement of the raters, and what is to be adjudicated."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from medft.aliases import Json
from medft.errors import DataError
from medft.evaluation import agreement
from medft.evaluation.items import Row, read_clusters
from medft.evaluation.measures import Measure, bounded, summarize
from medft.evaluation.rating import PAIR
from medft.files import read_json, write_json, write_text


@dataclass(frozen=True, slots=True)
class Rated:
    """An item as one rater saw it."""

    rater: str
    """Who."""
    number: int
    """Its number on the page."""
    item: str
    """Which question."""
    preferred: str
    """base, tuned or same."""
    safe: Mapping[str, bool]
    """Whether the answer of each system was called safe."""


def read_votes(folder: Path, suite: str, files: Sequence[Path]) -> list[Rated]:
    """The votes of all raters on the page of a suite.

    Raises:
        DataError: there is no page, or a file is no list of votes on it.
    """
    path = folder / "rating" / f"{suite}.key.json"
    if not path.is_file():
        raise DataError(
            "this suite has not been rated yet", where=str(path), remedy=f"medft rate answers={suite}"
        )
    key = read_json(path)
    found: dict[tuple[str, str], Rated] = {}
    for file in files:
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                rows = list(csv.DictReader(lines))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError("the file of votes cannot be read", where=str(file)) from error
        for number, row in enumerate(rows, 2):
            vote = _vote(row, key, f"{file}:{number}")
            if (vote.rater, vote.item) in found:
                raise DataError("a rater voted twice on a question", where=f"{file}:{number}",
                                remedy="use one file per rater; raters need different names")  # fmt: skip
            found[vote.rater, vote.item] = vote
    return list(found.values())


def write_summary(
    folder: Path, suite: str, votes: Sequence[Rated], seed: int, settled: Sequence[Rated] = ()
) -> Json:
    """Write <suite>.rating.json, which the report shows as a suite, and return what it holds.

    Args:
        folder: the run's evaluation folder. suite: whose answers were rated. votes: of the raters.
        seed: of the tests and of the resampling.
        settled: votes of whoever adjudicated, which count in place of the raters' where these disagree.

    Raises:
        DataError: there are no votes.
    """
    if not votes:
        raise DataError("there are no votes", where=suite, remedy="votes=[votes-a.csv,votes-b.csv]")
    items = sorted({vote.item for vote in votes})
    given = {item: [vote for vote in votes if vote.item == item] for item in items}
    decided = {vote.item: [vote] for vote in settled if _disagree(given.get(vote.item, ()))}
    of = {**given, **decided}
    known = read_clusters(folder / f"{suite}.items.csv")
    rows = [Row(item, known.get(item, "")) for item in items]
    preferred = {s: [_mean([_credit(vote, s) for vote in of[item]]) for item in items] for s in PAIR}
    safe = {s: [_mean([float(vote.safe[s]) for vote in of[item]]) for item in items] for s in PAIR}
    agreed = {
        "preference": [[[vote.preferred for vote in given[item]]] for item in items],
        "safety": [[[str(vote.safe[s]) for vote in given[item]] for s in PAIR] for item in items],
    }
    written = {
        "suite": f"{suite}.rating",
        "date": time.strftime("%Y-%m-%d"),
        "asked": len(items),
        "left_out": {},
        "notes": [
            f"{len({vote.rater for vote in votes})} raters, {len(votes)} votes; an item's value is the mean "
            "of its raters. A tie counts half for each.",
            f"Questions on which raters disagree: {sum(map(_disagree, given.values()))}, of which "
            f"{len(decided)} are settled by adjudication. Those left: rating/{suite}.disagreements.csv.",
            *(_agreement(name, units, seed) for name, units in agreed.items()),
        ],
        "figures": [
            bounded(summarize(Measure("preferred by raters", "mean", preferred, items=rows), seed)).to_json(),
            bounded(summarize(Measure("called safe by raters", "mean", safe, items=rows), seed)).to_json(),
        ],
        "extras": {"preferences": _counts(votes)},
    }
    write_json(folder / f"{suite}.rating.json", written)
    _write_disagreements(folder / "rating" / f"{suite}.disagreements.csv", of)
    return written


def _write_disagreements(path: Path, of: Mapping[str, Sequence[Rated]]) -> None:
    """The votes on the questions that are to be settled, with their numbers on the page; it is not blind."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(("number", "item", "rater", "preferred", *(f"{system} safe" for system in PAIR)))
    for votes in sorted(filter(_disagree, of.values()), key=lambda each: each[0].number):
        writer.writerows((v.number, v.item, v.rater, v.preferred, *(v.safe[s] for s in PAIR)) for v in votes)
    write_text(path, lines.getvalue())


def _disagree(votes: Sequence[Rated]) -> bool:
    """Whether raters of one question came to different votes."""
    return len({(vote.preferred, *(vote.safe[s] for s in PAIR)) for vote in votes}) > 1


def _vote(row: Mapping[str, str | None], key: Json, where: str) -> Rated:
    items = key["items"]
    number = row.get("number") or ""
    better, safe = row.get("better"), [row.get("safe1"), row.get("safe2")]
    if row.get("rating") != key["rating"]:
        raise DataError("these votes belong to another page", where=where, remedy="rate the current page")
    if not number.isdecimal() or not 1 <= int(number) <= len(items):  # type: ignore[arg-type]
        raise DataError("the page has no question of this number", where=where)
    if better not in ("1", "same", "2") or not set(safe) <= {"safe", "unsafe"}:
        raise DataError("a vote has a value that the page does not offer", where=where)
    item = items[int(number) - 1]  # type: ignore[index]
    sides = item["sides"]
    preferred = "same" if better == "same" else sides[int(better) - 1]
    called = {side: word == "safe" for side, word in zip(sides, safe, strict=True)}
    return Rated(row.get("rater") or "", int(number), item["item"], preferred, called)


def _credit(vote: Rated, system: str) -> float:
    return 0.5 if vote.preferred == "same" else float(vote.preferred == system)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _counts(votes: Sequence[Rated]) -> dict[str, int]:
    return {word: sum(vote.preferred == word for vote in votes) for word in (*PAIR, "same")}


def _agreement(name: str, questions: Sequence[Sequence[Sequence[str]]], seed: int) -> str:
    value, bounds = agreement.alpha([*chain(*questions)]), agreement.interval(questions, seed)
    if value is None or bounds is None:
        return (
            f"Agreement on {name}: not estimable (no two raters on one question, or all votes are the same)."
        )
    low, high = bounds
    return f"Agreement on {name}: Krippendorff's alpha {value:.3f} [{low:.3f}, {high:.3f}], over questions."
