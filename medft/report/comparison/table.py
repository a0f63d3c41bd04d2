"""The tables of a comparison: one row per configuration for people, one row per run for programs.

Owns columns and their order, CSV and Markdown. Knows nothing of figures and pages.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from medft.format import UNKNOWN, count, duration, size
from medft.report.comparison.plot import pair_name, spread_text
from medft.report.comparison.rules import Comparison, Line
from medft.report.comparison.seeds import RULE, spread
from medft.report.html import Table
from medft.report.subject import FINGERPRINTS, Subject, number

FIGURES = (
    "steps", "train_loss", "validation_loss", "bits_per_byte", "test_loss", "tokens", "tokens_per_second",
    "seconds", "peak_memory_bytes",
)  # fmt: skip


def results(comparison: Comparison) -> Table:
    """One row per configuration, best first within each axis; columns that nobody fills are left out."""
    order = [index for panel in comparison.panels for index in panel.lines]
    rows = [_result(comparison, comparison.lines[index]) for index in order]
    columns = [name for name in rows[0] if any(row[name] not in ("", UNKNOWN) for row in rows)]
    if len({line.letter for line in comparison.lines}) == 1:
        columns = [name for name in columns if name != "evaluated on"]
    return Table(tuple(columns), tuple(tuple(row[name] for name in columns) for row in rows))


def _result(comparison: Comparison, line: Line) -> dict[str, str]:
    runs = comparison.members(line)
    return {
        "run": line.label,
        "evaluated on": line.letter,
        "seeds": ", ".join(run.seed for run in runs if run.seed) or UNKNOWN,
        "bits per byte": _spread(runs, "bits_per_byte"),
        "validation loss": _spread(runs, "loss"),
        "train loss": spread_text(spread([_train_loss(run) for run in runs])) or UNKNOWN,
        "test loss": spread_text(spread([number(run.figures, "test_loss") for run in runs])) or UNKNOWN,
        "steps": " / ".join(dict.fromkeys(f"{run.curve.rows['step'].max():.0f}" for run in runs)),
        "tokens": count(_mean(runs, "tokens")),
        "tokens/s": count(_mean(runs, "tokens_per_second")),
        "time": duration(_mean(runs, "seconds")),
        "memory": size(_mean(runs, "peak_memory_bytes")),
        "state": ", ".join(dict.fromkeys(run.state for run in runs)),
    }


def _spread(runs: Sequence[Subject], metric: str) -> str:
    return spread_text(spread([run.final(metric) for run in runs])) or UNKNOWN


def _train_loss(run: Subject) -> float | None:
    """As in the summary: the mean over the last fifth of the logged steps."""
    if (known := number(run.figures, "train_loss")) is not None:
        return known
    losses = run.curve.split("train")["loss"].dropna()
    return float(losses.iloc[-max(1, len(losses) // 5) :].mean()) if len(losses) else None


def _mean(runs: Sequence[Subject], key: str) -> float | None:
    known = spread([number(run.figures, key) for run in runs])
    return known.mean if known else None


def settings(comparison: Comparison) -> Table | None:
    """What differs between the configurations, only that, one row per configuration; None when nothing
    does."""
    keys = [key for key in comparison.differs.rows if key != "seed"]
    if not keys:
        return None
    order = [index for panel in comparison.panels for index in panel.lines]
    rows = [
        (line.label, *(_values(comparison, line, key) for key in keys))
        for line in (comparison.lines[index] for index in order)
    ]
    return Table(("run", *keys), tuple(rows))


def _values(comparison: Comparison, line: Line, key: str) -> str:
    values = comparison.differs.rows[key]
    return " / ".join(dict.fromkeys(values[index] for index in line.group.members)) or UNKNOWN


def pairs(comparison: Comparison) -> Table | None:
    """The tests between repeated configurations; None without any."""
    if not comparison.pairs:
        return None
    rows = [
        (
            pair_name(comparison, pair),
            f"{pair.gap:+.3f}",
            f"{pair.interval[0]:+.3f} to {pair.interval[1]:+.3f}",
            f"{pair.p:.2g}",
            pair.verdict,
        )
        for pair in comparison.pairs
    ]
    return Table(("first vs second", "second - first", "95% interval", "p (Holm)", "verdict"), tuple(rows))


def to_csv(comparison: Comparison) -> str:
    """One row per run with full figures, fingerprints and every setting that differs, those included that
    follow from a name. A text cell that a spreadsheet would run as a formula gets a leading apostrophe."""
    keys = [*comparison.differs.rows, *comparison.differs.implied]
    values = comparison.differs.rows | comparison.differs.implied
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    identity = ("label", "path", "state", "seed", "model", "tiny", "dataset", "template", "evaluated_on")
    prints = tuple(f"{kind}_fingerprint" for kind in FINGERPRINTS)
    writer.writerow([*identity, *FIGURES, *prints, *(f"settings.{key}" for key in keys)])
    for line in comparison.lines:
        for index in line.group.members:
            run = comparison.subjects[index]
            cells = [
                *_identity(line, run),
                *_figures(run),
                *(run.fingerprints.get(k, "") for k in FINGERPRINTS),
            ]
            writer.writerow([_inert(cell) for cell in [*cells, *(values[key][index] for key in keys)]])
    return out.getvalue()


def _identity(line: Line, run: Subject) -> list[str]:
    who = run.identity
    tiny = str(who.tiny).lower()
    what = [who.model, tiny, who.dataset, who.template, line.letter]
    return [line.label, str(run.path), run.state, run.seed or "", *what]


def _figures(run: Subject) -> list[str]:
    known = {key: number(run.figures, key) for key in FIGURES}
    known["validation_loss"] = run.final("loss")
    known["bits_per_byte"] = run.final("bits_per_byte")
    known["train_loss"] = _train_loss(run)
    known["steps"] = float(run.curve.rows["step"].max())
    return ["" if value is None else f"{value:.10g}" for value in known.values()]


def _inert(cell: str) -> str:
    """CSV injection: a cell that starts a formula in a spreadsheet, and is no number, becomes plain text."""
    if not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def to_markdown(comparison: Comparison, title: str) -> str:
    """Title, warnings, the tables and the notes as Markdown."""
    parts = [f"# {_plain(title)}", *(f"> **Note** {_plain(warning)}" for warning in comparison.warnings)]
    parts += ["![curves](comparison.png)", _markdown(results(comparison))]
    if (differing := settings(comparison)) is not None:
        parts += ["## What differs", _markdown(differing)]
    if (tests := pairs(comparison)) is not None:
        parts += ["## Differences and the spread of seeds", _markdown(tests), RULE]
    return "\n\n".join([*parts, *map(_plain, comparison.notes)]) + "\n"


def _markdown(table: Table) -> str:
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    return "\n".join(
        "| " + " | ".join(_plain(cell) if i != 1 else cell for cell in line) + " |"
        for i, line in enumerate(lines)
    )


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: no markup, links, tags or cell borders."""
    flat = " ".join(text.split())
    for mark in "\\`*[]|":
        flat = flat.replace(mark, f"\\{mark}")
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
