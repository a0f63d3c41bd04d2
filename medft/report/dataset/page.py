"""The folder that the examination of a data set leaves: one page, its plot, and the same as JSON.

Text of the data stands there only in the rows that somebody asked to see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from medft.config import plain
from medft.data.cleaning.settings import remedy_of
from medft.data.examination.examine import Report
from medft.data.record import SPLITS
from medft.files import write_json, write_text
from medft.prompt.preview import PieceKind, Preview
from medft.report.blocks import Block, Figure, Marked, Notice, Section, Table, Text
from medft.report.dataset.histograms import draw_lengths
from medft.report.dataset.text import Prompts, lines, summed
from medft.report.html import page
from medft.report.svg import standalone

NAME = "report"
LOOKS: dict[PieceKind, Literal["", "mark", "strong", "faint"]] = {
    "prompt": "", "special": "faint", "learnt": "mark", "stop": "strong",
}  # fmt: skip

NAMES = {
    "duplicates": "Repeated answers", "question": "Length of questions", "context": "Length of contexts",
    "answer": "Length of answers", "length": "Length of rows", "language": "Languages",
    "PHI": "Patterned identifiers", "overlap": "Held-out rows in train",
    "benchmarks": "Test items of benchmarks",
}  # fmt: skip
"""Labels of the terminal that the page has room to spell out."""

WITH_TEXT = (
    "This page shows rows of the data, because show=N was set. Treat it like the data itself. "
    "Identifiers that follow a pattern are masked in these rows; names are not."
)
WITHOUT_TEXT = "This page contains no text of the data, only counts and lengths."


def write_data_report(report: Report, prompts: Prompts, previews: Sequence[Preview], folder: Path) -> None:
    """Write report.html, report.json and lengths.svg into ``folder``.

    Args:
        report: the examination.
        prompts: the template and tokenizer that its tokens were counted with.
        previews: rows to show; their text is in both files, and no other text of the data does.
        folder: where; it must be there.
    """
    drawing = draw_lengths(report.lengths, prompts.max_length)
    write_text(folder / "lengths.svg", standalone(drawing))
    title = f"Data set {report.ledger['dataset']}"
    lengths = Figure(drawing, _LENGTHS, "lengths.svg")
    write_text(folder / f"{NAME}.html", page(title, list(sections(report, prompts, previews, lengths))))
    write_json(folder / f"{NAME}.json", _values(report, prompts, previews))


def sections(
    report: Report, prompts: Prompts, previews: Sequence[Preview], lengths: Figure
) -> Iterator[Section]:
    """The page: findings, counts, lengths, the rows to show, and the accounts for those who want them."""
    yield Section("", [Notice(WITH_TEXT) if previews else Text(WITHOUT_TEXT), *_noted(prompts)])
    yield Section("Findings", [_findings(report)])
    yield Section("Summary", [Table(("", "found"), tuple(_named(report, prompts)))])
    yield Section("Counts", [_counts(report)])
    if report.classes:
        yield Section("Classes", [_classes(report)])
    if report.noted:
        yield Section("Rows to look at", [_noted_rows(report), Text(_NOTED_ROWS)])
    yield Section("Lengths", [_lengths(report), lengths])
    for number, preview in enumerate(previews, 1):
        yield Section(f"Row {number}: {preview.id}", list(_preview(preview)))
    yield Section("Accounts", [_rows(report), _tasks(report), _costs(report)])
    yield Section("How to read this", [Text(_READING)])


def _noted(prompts: Prompts) -> list[Block]:
    return [Notice(prompts.note)] if prompts.note else []


def _findings(report: Report) -> Block:
    if not report.findings:
        return Text("No issues found.")
    rows = tuple((finding.level, finding.what, finding.remedy) for finding in report.findings)
    return Table(("level", "finding", "what to do"), rows)


def _named(report: Report, prompts: Prompts) -> Iterator[tuple[str, str]]:
    """The lines of the terminal under names that have room."""
    for label, words in lines(report, prompts):
        yield NAMES.get(label, label.capitalize()), words


def _counts(report: Report) -> Table:
    """What was counted by kind, each as a share of the rows that were looked at."""
    totals, languages = report.ledger["totals"], report.languages
    counted = (
        ("kept for", totals["kept"], totals["rows_in"]),
        ("dropped", totals["dropped"], totals["rows_in"]),
        ("repaired", summed(report, "repaired"), totals["rows_in"]),
        ("left as they are", summed(report, "found"), totals["rows_in"]),
        ("language, of a sample", languages.found, languages.sampled),
        ("patterned identifiers", summed(report, "identifiers"), 0),
    )
    rows = (
        (what, name.replace("_", " "), f"{count:,}", f"{count / of:.1%}" if of else "")
        for what, counts, of in counted
        for name, count in counts.items()
    )
    return Table(("", "", "count", "share"), tuple(rows))


def _classes(report: Report) -> Table:
    """Rows by class and split, with the share that the class has of each."""
    totals = {split: sum(counts[split] for counts in report.classes.values()) for split in SPLITS}
    rows = (
        (label, *(f"{counts[s]:,} ({counts[s] / max(totals[s], 1):.1%})" for s in SPLITS))
        for label, counts in report.classes.items()
    )
    return Table(("class", *SPLITS), tuple(rows))


def _noted_rows(report: Report) -> Table:
    """Kinds of rows that were dropped, mended or left with a fault, and the first of each."""
    rows = []
    for kind in report.noted:
        named = "; ".join(f"{row.row}: {row.text}" if row.text else row.row for row in kind.first)
        otherwise = "drop" if kind.done == "kept" else "keep"
        rows.append(
            (kind.what.replace("_", " "), kind.done, f"{kind.rows:,}", named, remedy_of(kind.what, otherwise))
        )
    return Table(("", "", "rows", "the first", "otherwise"), tuple(rows))


def _costs(report: Report) -> Table:
    """The steps that took a noticeable time, the longest first."""
    rows = sorted(((k, v) for k, v in report.costs.items() if v >= 0.01), key=lambda item: -item[1])
    return Table(("step or check", "seconds"), tuple((k.replace("_", " "), f"{v:.2f}") for k, v in rows))


def _rows(report: Report) -> Table:
    columns = ("source", "license", "version", "in", *SPLITS, "dropped")
    rows = tuple(
        (
            source["name"], source["license"], source["fingerprint"][:12], f"{source['rows_in']:,}",
            *(f"{source['kept'].get(split, 0):,}" for split in SPLITS),
            f"{sum(source['dropped'].values()):,}",
        )
        for source in report.ledger["sources"]
    )  # fmt: skip
    return Table(columns, rows)


def _tasks(report: Report) -> Table:
    names = sorted({task for tasks in report.tasks.values() for task in tasks})
    rows = ((name, *(f"{report.tasks[split].get(name, 0):,}" for split in SPLITS)) for name in names)
    return Table(("task", *SPLITS), tuple(rows))


def _lengths(report: Report) -> Table:
    shares = next(iter(report.lengths.values())).percentiles
    return Table(
        ("", "unit", *shares),
        tuple(
            (name, lengths.unit, *(f"{mark:,}" for mark in lengths.percentiles.values()))
            for name, lengths in report.lengths.items()
        ),
    )


def _preview(preview: Preview) -> Iterator[Block]:
    if preview.note:
        yield Notice(preview.note)
    yield Text(f"{preview.tokens:,} tokens, {preview.loss_tokens:,} of them carry loss (marked).")
    yield Marked(tuple((piece.text, LOOKS[piece.kind]) for piece in preview.pieces))
    rows = ((check.name, "yes" if check.passed else "NO", check.found) for check in preview.checks)
    yield Table(("check", "holds", "found"), tuple(rows))


def _values(report: Report, prompts: Prompts, previews: Sequence[Preview]) -> dict[str, object]:
    shown = {"shown": plain(list(previews))} if previews else {}
    return {"prompts": plain(prompts), **report.to_json(), **shown}


_LENGTHS = (
    "The dashed line is the median. The last bin holds everything that is longer than 99% of the rows, so "
    "that a few long ones do not flatten the rest."
)
_NOTED_ROWS = (
    "The file rows.jsonl next to the prepared rows lists each of them by file and line. With show=1 or "
    "more, this table has an excerpt of each, patterned identifiers masked."
)
_READING = (
    "The version of a source is the commit of a hub data set, or the digest of a file's bytes.\n"
    "Rows in = rows kept + rows dropped by reason, to the row. Repairs change a row and keep it.\n"
    "Tokens are counted on whole rows: the template's words, the chat template's markers and the answer, not "
    "cut. The loss covers the answers and the stop token after each, and nothing else.\n"
    "Overlap: a held-out row is near train when at least half of its 8-grams of words occur there.\n"
    "Identifiers are recognized by their form (those of the HIPAA Safe Harbor list that have one). "
    "Names and most addresses have none, so finding nothing does not prove de-identification."
)
