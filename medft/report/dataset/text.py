"""Describes a data set in words, for the terminal and the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from medft.data.cleaning.identifier_patterns import LANGUAGES
from medft.data.examination.examine import Report
from medft.data.examination.findings import DatasetFinding
from medft.data.examination.statistics import LengthStatistics
from medft.data.ledger import NOT_SEARCHED

LEVELS = ("problem", "warning", "note")
LABELS = {"question": "question", "context": "context", "answer": "answer", "row": "length"}


@dataclass(frozen=True, slots=True)
class Prompts:
    """How the rows were worded and their tokens counted."""

    template: str
    """Name of the template."""
    max_length: int
    """Longest row in tokens that training takes."""
    tokenizer: str
    """The model whose tokenizer counted; empty when none did."""
    note: str = ""
    """Why it is not the tokenizer of the real model, or why there are no tokens."""


def worst_first(findings: Iterable[DatasetFinding]) -> tuple[DatasetFinding, ...]:
    """Problems, then warnings, then notes, each as they came."""
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))


def lines(report: Report, prompts: Prompts) -> Iterator[tuple[str, str]]:
    """(label, words) for everything that was found, in reading order."""
    totals = report.ledger["totals"]
    yield "rows", f"{totals['rows_in']:,} in -> {_counts(totals['kept'])}"
    yield "dropped", _counts(totals["dropped"]) or "none"
    yield "repairs", _counts(summed(report, "repaired")) or "none"
    if found := summed(report, "found"):
        yield "faults", f"{_counts(found)}, left as they are"
    if report.classes:
        yield "classes", _classes(report)
    yield "duplicates", _repeats(report)
    for name, lengths in report.lengths.items():
        yield LABELS[name], _length(lengths)
    yield "tokens", _tokens(report, prompts)
    yield "language", _languages(report)
    yield "PHI", _identifiers(report)
    yield "benchmarks", _benchmarks(report)
    yield "overlap", _overlap(report)


def summed(report: Report, key: str) -> dict[str, int]:
    """Counts of the ledger over all sources, the largest first."""
    total = sum((Counter(source[key]) for source in report.ledger["sources"]), Counter[str]())
    return dict(total.most_common())


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())


def _classes(report: Report) -> str:
    """Rows of each class in train, validation and test."""
    shown = list(report.classes.items())[:8]
    told = ", ".join(f"{label} {'/'.join(f'{n:,}' for n in counts.values())}" for label, counts in shown)
    rest = len(report.classes) - len(shown)
    return told + (f", {rest} more" if rest else "") + " (train/validation/test)"


def _repeats(report: Report) -> str:
    repeats, near = report.repeats, report.ledger["figures"]["near_duplicate_pairs"]
    told = "every answer is unique"
    if repeats.answers:
        told = f"{repeats.rows:,} rows share their answer with others: {repeats.answers:,} different ones, "
        told += f"the most common in {repeats.most:,}"
    return told + (f"; {near:,} pairs of near copies are kept in one split" if near else "")


def _length(lengths: LengthStatistics) -> str:
    at = lengths.percentiles
    return f"{at['50%']:,} {lengths.unit} at the median, {at['95%']:,} at 95%, {at['100%']:,} at most"


def _tokens(report: Report, prompts: Prompts) -> str:
    tokens = report.tokens
    if tokens is None:
        return "not counted"
    share = tokens.loss_tokens / max(tokens.tokens, 1)
    over = f"{tokens.rows_over:,} rows are longer than {tokens.max_length:,}"
    return f"{tokens.tokens:,} by {prompts.tokenizer}, {share:.1%} of them carry loss; {over}"


def _languages(report: Report) -> str:
    languages = report.languages
    if not languages.sampled:
        return "no text is long enough to identify its language"
    most = list(languages.found.items())[:4]
    shares = ", ".join(f"{name} {count / languages.sampled:.1%}" for name, count in most)
    rest = len(languages.found) - len(most)
    return f"{shares}" + (f", {rest} more" if rest else "") + f" (of {languages.sampled:,} sampled rows)"


def _identifiers(report: Report) -> str:
    found = summed(report, "identifiers")
    if unknown := found.pop(NOT_SEARCHED, 0):
        some = _counts(found) + "; " if found else ""
        return f"{some}not looked for in {unknown:,} rows (dataset.phi=off)"
    names = "" if "name" in found else "; names follow no pattern (see dataset.names)"
    return (_counts(found) or "none") + f"; searched for patterns of {', '.join(LANGUAGES)}{names}"


def _benchmarks(report: Report) -> str:
    sources = report.ledger["sources"]
    names = list(dict.fromkeys(name for source in sources for name in source["screened_for"]))
    if not names:
        return "rows were not screened for test items (dataset.allow_benchmark_test)"
    dropped = sum(summed(report, "repeated").values())
    rows = f"{dropped:,} rows repeat" if dropped != 1 else "1 row repeats"
    return f"{rows} a test item of {', '.join(names)}" + (" and were dropped" if dropped else "")


def _overlap(report: Report) -> str:
    found = report.overlap
    if not found.held_out_rows:
        return "nothing is held out"
    near = f"{found.near:,} of {found.sampled:,} share at least half of their 8-grams with train"
    if found.recurring:
        near += f", {found.recurring:,} of them through passages that recur"
    counts = f"{found.same_question:,} questions and {found.same_answer:,} answers"
    if found.same_context:
        counts = f"{found.same_context:,} contexts, {counts}"
    return f"{counts} of {found.held_out_rows:,} held-out rows are also in train; {near}"
