"""Results of suites -> evaluation/report.md and report.html.

Owns what a reader of an evaluation sees. Knows nothing of how figures come about; it reads the JSON of the
suites, so that a suite that was run last week stands beside today's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medft.report.html import Notice, Section, Table, Text, page
from medft.runs import read_json, write_text

NOT_ADVICE = "These figures describe answers of a language model. They do not make it fit for clinical use."
MANY = (
    "Intervals are 95%. Tests are paired on the same items and not corrected for the number of figures: "
    "among 20, one is expected to differ by chance."
)


def write_report(folder: Path, title: str) -> list[Path]:
    """Write report.md and report.html from every <suite>.json in ``folder``."""
    suites = [read_json(path) for path in sorted(folder.glob("*.json"))]
    sections = [_opening(suites), *(_section(suite) for suite in suites)]
    write_text(folder / "report.md", markdown(title, sections))
    write_text(folder / "report.html", page(title, sections))
    return [folder / "report.md", folder / "report.html"]


def figure_table(suite: Mapping[str, Any]) -> Table:
    """One row per figure: each system with its interval, then each paired difference in words."""
    systems = list(dict.fromkeys(name for figure in suite["figures"] for name in figure["systems"]))
    pairs = list(dict.fromkeys(name for figure in suite["figures"] for name in figure["differences"]))
    columns = ("part", "figure", *systems, *pairs)
    rows = [_row(figure, systems, pairs) for figure in suite["figures"]]
    if not any(row[0] for row in rows):
        return Table(columns[1:], tuple(row[1:] for row in rows))
    return Table(columns, tuple(rows))


def remarks(suite: Mapping[str, Any]) -> list[str]:
    """What a suite says beside its table: baselines, retrieval, what was not asked."""
    said = [f"{name}: {text}" for name, extra in suite["extras"].items() if (text := _inline(extra))]
    left_out = [f"not asked: {n:,} {reason}" for reason, n in suite["left_out"].items()]
    return [*suite["notes"], *said, *left_out]


def markdown(title: str, sections: Sequence[Section]) -> str:
    """The same sections as Markdown."""
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section.heading}", ""] if section.heading else []
        for block in section.blocks:
            lines += [*_block(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def _opening(suites: Sequence[Mapping[str, Any]]) -> Section:
    tiny = any(suite.get("tiny") for suite in suites)
    blocks: list[Any] = [Notice(NOT_ADVICE)]
    if tiny:
        blocks.append(Notice("A tiny twin answered: these figures prove the pipeline, not a model."))
    return Section("", [*blocks, Text(MANY)])


def _section(suite: Mapping[str, Any]) -> Section:
    asked = f"{suite['asked']:,} items, {suite['date']}"
    blocks: list[Any] = [Text(f"{asked}. {' '.join(suite['notes'])}".strip())]
    if suite["left_out"]:
        reasons = "; ".join(f"{n:,} {reason}" for reason, n in suite["left_out"].items())
        blocks.append(Text(f"Not asked: {reasons}."))
    if suite["figures"]:
        blocks.append(figure_table(suite))
    blocks += [block for name, extra in suite["extras"].items() for block in _extra(name, extra)]
    return Section(suite["suite"], blocks)


def _row(figure: Mapping[str, Any], systems: Sequence[str], pairs: Sequence[str]) -> tuple[str, ...]:
    arrow = "" if figure["higher_is_better"] else " (lower is better)"
    cells = [_estimate(figure["systems"].get(name)) for name in systems]
    words = [_difference(figure["differences"].get(name)) for name in pairs]
    return (figure["group"], figure["name"] + arrow, *cells, *words)


def _estimate(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None:
        return ""
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def _difference(difference: Mapping[str, Any] | None) -> str:
    if difference is None:
        return ""
    p = difference["p"]
    tested = "" if p is None else ", p < 0.001" if p < 0.001 else f", p = {p:.3f}"
    bounds = f"[{difference['low']:+.3f}, {difference['high']:+.3f}]"
    return f"{difference['verdict']} ({difference['value']:+.3f} {bounds}{tested})"


def _extra(name: str, extra: Any) -> Iterator[Any]:
    if isinstance(extra, Mapping) and "counts" in extra:
        for system, counts in extra["counts"].items():
            rows = [(gold, *map(str, row)) for gold, row in zip(extra["rows"], counts, strict=True)]
            yield Text(f"Confusion, {name}, {system}: rows are gold labels, columns are answers.")
            yield Table(("gold", *extra["columns"]), tuple(rows))
    else:
        yield Text(f"{name}: {_inline(extra)}")


def _inline(extra: Any) -> str:
    """A baseline or a handful of figures in one line; empty for a matrix."""
    if isinstance(extra, Mapping) and "counts" in extra:
        return ""
    if isinstance(extra, Mapping):
        return ", ".join(f"{key} {_number(value)}" for key, value in extra.items())
    return _number(extra)


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _block(block: Any) -> list[str]:
    if isinstance(block, Table):
        head = [_cells(block.columns), "|" + " --- |" * len(block.columns)]
        return [*head, *(_cells(row) for row in block.rows)]
    return [f"> **{block.text}**" if isinstance(block, Notice) else block.text]


def _cells(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
