"""The flow of rows, in CONSORT's manner: read, left out by reason, split, and asked."""

from __future__ import annotations

from collections.abc import Iterator

from medft.aliases import Json
from medft.evaluation.questions import SEEN
from medft.report.blocks import Block, Figure, Section, Table, Text
from medft.report.flow import Flow, flow
from medft.runs.record import RunRecord
from medft.runs.values import mapping, mappings, number, strings, text
from medft.study.writing.arms import Study

HOW = "From the ledgers, which account for every row: read = kept + left out. All seeds share one split."
FEW_REASONS = 6
"""Reasons by source that the figure names; the table has all."""


def section(study: Study) -> Section:
    """A figure and a table for every data set, and what the suites did not ask."""
    blocks: list[Block] = []
    for name, record in by_dataset(study).items():
        drawing = flow(_flow(name, record))
        words = f"Flow of rows, {name}: read, left out and why, and what became of the rest."
        blocks += [Figure(drawing, words, f"figures/flow-{name}.svg"), _table(record)]
        blocks += [Text("\n".join(notes))] if (notes := strings(record.ledger.get("notes"))) else []
    asked = tuple(dict.fromkeys(_asked(study)))
    if asked:
        blocks.append(Table(("cell", "suite", "items asked", "not asked"), asked))
    return Section("Flow of rows", [*blocks, Text(HOW)] if blocks else [Text("No run finished.")])


def by_dataset(study: Study) -> dict[str, RunRecord]:
    """The first finished run of every data set."""
    found: dict[str, RunRecord] = {}
    for arm in study.finished:
        found.setdefault(arm.cell.dataset, arm.records[0])
    return found


def _flow(name: str, record: RunRecord) -> Flow:
    sources = mappings(record.ledger, "sources")
    totals = mapping(record.ledger, "totals")
    read = [f"Read: {_n(totals, 'rows_in')} rows"]
    left_out = [f"Left out: {sum(_counts(totals, 'dropped').values()):,}"]
    for source in sources:
        of = f"{text(source.get('name'))}: " if len(sources) > 1 else ""
        if of:
            read.append(f"{of}{_n(source, 'rows_in')}")
        reasons = sorted(_counts(source, "dropped").items(), key=lambda each: -each[1])
        left_out += [f"{of}{reason} {count:,}" for reason, count in reasons[:FEW_REASONS]]
        if rest := sum(count for _, count in reasons[FEW_REASONS:]):
            left_out.append(f"{of}for other reasons {rest:,}")
    kept = _counts(totals, "kept")
    return Flow(name, read, left_out, [_end(record, split, count) for split, count in kept.items()])


def _end(record: RunRecord, split: str, count: int) -> list[str]:
    """The lines of one split: its rows, what was cut or too long, and its use."""
    use = {"train": "trained on", "validation": "for choosing", "test": "held out"}.get(split, "")
    lines = [f"{split}: {count:,} rows", use]
    encoded = mapping(mapping(record.ledger, "encoding"), split)
    rows = number(encoded, "rows")
    if rows is not None and rows != count:
        lines.append(f"as examples: {rows:,.0f}")
    return [*filter(None, lines), *(f"{why}: {n:,}" for why, n in _counts(encoded, "problems").items())]


def _table(record: RunRecord) -> Table:
    """Every source with its reasons and splits."""
    rows = []
    for source in mappings(record.ledger, "sources"):
        name = text(source.get("name"))
        rows.append((name, "read", _n(source, "rows_in")))
        rows += [(name, f"left out: {why}", f"{n:,}") for why, n in _counts(source, "dropped").items()]
        rows += [(name, split, f"{n:,}") for split, n in _counts(source, "kept").items()]
        rows += [(name, f"mended: {what}", f"{n:,}") for what, n in _counts(source, "repaired").items()]
    return Table(("source", "", "rows"), tuple(rows))


def _asked(study: Study) -> Iterator[tuple[str, str, str, str]]:
    for arm in study.finished:
        for name, suite in arm.records[0].suites.items():
            left_out = "; ".join(f"{why}: {n:,}" for why, n in _counts(suite, "left_out").items())
            yield arm.name, name, _n(suite, "asked"), left_out or "none"


def contamination(study: Study) -> Section:
    """What is known of test items among the training rows."""
    rows = []
    for name, record in by_dataset(study).items():
        for source in mappings(record.ledger, "sources"):
            screened = ", ".join(strings(source.get("screened_for"))) or "none"
            repeated = _counts(source, "repeated")
            found = ", ".join(f"{benchmark} {n:,}" for benchmark, n in repeated.items()) or "0"
            rows.append((name, text(source.get("name")), screened, found))
    seen = {
        (arm.cell.dataset, suite, n)
        for arm in study.finished
        for suite, written in arm.records[0].suites.items()
        if (n := _counts(written, "left_out").get(SEEN, 0))
    }
    said = [f"{suite}, {dataset}: not asked {n:,} ({SEEN})." for dataset, suite, n in sorted(seen)]
    said.append(
        "Rows that share 13 consecutive words with a test item, or most of a shorter question, were "
        "excluded from training. What the base models saw in their own training is unknown."
    )
    table = Table(("data set", "source", "screened for the test items of", "rows left out"), tuple(rows))
    return Section("Contamination", [*([table] if rows else []), Text("\n".join(said))])


def _counts(values: Json, key: str) -> dict[str, int]:
    """Counts by reason, the reasons in words."""
    found = mapping(values, key).items()
    return {name.replace("_", " "): n for name, n in found if isinstance(n, int)}


def _n(values: Json, key: str) -> str:
    return f"{number(values, key) or 0:,.0f}"
