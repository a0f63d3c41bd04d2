"""The folder that a comparison leaves: plot, csv, and one report as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from medft.files import aside, take_name
from medft.format import UNKNOWN
from medft.report.blocks import Block, Notice, Picture, Section, Table, Text
from medft.report.comparison import tables
from medft.report.comparison.chart import chart
from medft.report.comparison.plot import draw
from medft.report.comparison.result import Comparison
from medft.report.comparison.seeds import RULE
from medft.report.html import page
from medft.report.markdown import document
from medft.report.subject import Subject
from medft.runs.record import FINGERPRINTS

NAME = "comparison"


def write_comparison(
    comparison: Comparison,
    folder: Path,
    title: str,
    more: Sequence[Section] = (),
    files: Mapping[str, str] | None = None,
) -> Path:
    """Write comparison.png, .svg, .csv, .md and .html into a new ``folder``, all of them or none; its name
    gets a number where it is taken.

    Args:
        comparison: what is compared. folder: where. title: of plot and page.
        more: sections after the results of the curves.
        files: the text of further files, by name.

    Returns:
        The folder.
    """
    with aside(folder.with_name("new")) as new:
        png, svg = new / f"{NAME}.png", new / f"{NAME}.svg"
        draw(comparison, title, [png, svg])
        opening, results, *rest = sections(comparison, svg.read_bytes())
        report = [opening, results, *more, *rest]
        texts = {
            "csv": tables.to_csv(comparison), "md": document(title, report), "html": page(title, report),
        }  # fmt: skip
        named = {f"{NAME}.{suffix}": text for suffix, text in texts.items()}
        for name, text in {**named, **(files or {})}.items():
            (new / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        return take_name(new, folder)


def sections(comparison: Comparison, svg: bytes) -> list[Section]:
    """The report of a comparison: warnings, plot, results, what differs, tests, runs, how to read it."""
    alt = "Training and validation curves of " + ", ".join(line.label for line in comparison.lines)
    opening: list[Block] = [Notice(warning) for warning in comparison.warnings]
    parts = [
        Section("", [*opening, chart(comparison, Picture(svg, "image/svg+xml", alt, f"{NAME}.svg"))]),
        Section("Results", [tables.results(comparison)]),
        Section("What differs between the configurations", _differing(comparison)),
    ]
    if (tests := tables.pairs(comparison)) is not None:
        parts.append(Section("Differences and the spread of seeds", [tests, Text(RULE)]))
    return [
        *parts,
        Section("Runs", [_runs(comparison)]),
        Section("How to read this", [Text(_reading(comparison))]),
    ]


def _differing(comparison: Comparison) -> list[Block]:
    differing, implied = tables.settings(comparison), comparison.differs.implied
    blocks: list[Block] = [differing or Text("No setting differs, but for the seed.")]
    if not any(subject.settings for subject in comparison.subjects):
        blocks = [
            Text("The settings of these curves are not known: they come from files of another trainer.")
        ]
    if implied:
        blocks.append(
            Text(f"Facts that follow from these names are left out ({len(implied)}); {NAME}.csv has them.")
        )
    return blocks


def _runs(comparison: Comparison) -> Table:
    rows = [
        (line.label, run.seed or UNKNOWN, run.state, *_prints(run), str(run.path))
        for line in comparison.lines
        for run in comparison.members(line)
    ]
    return Table(("run", "seed", "state", *FINGERPRINTS, "folder"), tuple(rows))


def _prints(run: Subject) -> list[str]:
    return [run.fingerprints.get(kind, UNKNOWN)[:8] for kind in FINGERPRINTS]


def _reading(comparison: Comparison) -> str:
    said = [
        "Bits per byte: nats summed over the answer tokens / ln 2 / UTF-8 bytes of the same answers. It "
        "does not depend on how a tokenizer cuts the text, so it ranks models of different vocabularies.",
        "Smoothed lines: local linear regression (LOWESS, Cleveland 1979) over a tenth of the points, "
        "without lag. Raw lines go through the first, last, lowest and highest point of each pixel column, "
        "so that no extreme is lost.",
        "Validation values are those of the weights that were kept, train loss is the mean of all steps.",
    ]
    return "\n".join([*said, *comparison.notes])
