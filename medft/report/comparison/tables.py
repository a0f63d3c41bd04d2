"""The tables of a comparison: one row per configuration for people, one row per run for programs (csv)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medft.format import UNKNOWN, count, duration, size
from medft.report.blocks import Table
from medft.report.comparison.result import Comparison, Line
from medft.report.comparison.seeds import spread
from medft.report.subject import Subject
from medft.report.verdicts import NOT_ESTIMABLE
from medft.runs.losses import train_means
from medft.runs.record import FINGERPRINTS
from medft.runs.values import mapping, number
from medft.screen import printable

METRICS = (
    "steps", "train_loss", "validation_loss", "bits_per_byte", "test_loss", "tokens", "tokens_per_second",
    "seconds", "peak_memory_bytes",
)  # fmt: skip


def results(comparison: Comparison) -> Table:
    """One row per configuration, best first within each axis; columns that nobody fills are left out."""
    rows = [_result(comparison, line) for line in _best_first(comparison)]
    columns = [name for name in rows[0] if any(row[name] not in ("", UNKNOWN) for row in rows)]
    if len({line.letter for line in comparison.lines}) == 1:
        columns = [name for name in columns if name != "evaluated on"]
    if {row["state"] for row in rows} == {"finished"}:
        columns = [name for name in columns if name != "state"]
    return Table(tuple(columns), tuple(tuple(row[name] for name in columns) for row in rows))


def _best_first(comparison: Comparison) -> list[Line]:
    return [comparison.lines[index] for panel in comparison.panels for index in panel.lines]


def _result(comparison: Comparison, line: Line) -> dict[str, str]:
    runs = comparison.members(line)
    return {
        "run": line.label,
        "evaluated on": line.letter,
        "seeds": ", ".join(run.seed for run in runs if run.seed) or UNKNOWN,
        "bits per byte": _spread([run.final("bits_per_byte") for run in runs]),
        "validation loss": _spread([run.final("loss") for run in runs]),
        "validation rows": " / ".join(dict.fromkeys(_validation_rows(run) for run in runs)),
        "train loss": _spread([_train_loss(run) for run in runs]),
        "test loss": _spread([number(run.figures, "test_loss") for run in runs]),
        "steps": " / ".join(dict.fromkeys(f"{run.curve.rows['step'].max():.0f}" for run in runs)),
        "tokens": count(_mean(runs, "tokens")),
        "tokens/s": count(_mean(runs, "tokens_per_second")),
        "time": duration(_mean(runs, "seconds")),
        "memory": size(_mean(runs, "peak_memory_bytes")),
        "state": ", ".join(dict.fromkeys(run.state for run in runs)),
    }


def _validation_rows(run: Subject) -> str:
    rows = number(mapping(run.figures, "loss_rows"), "validation")
    return UNKNOWN if rows is None else f"{rows:,.0f}"


def _spread(values: Sequence[float | None]) -> str:
    return str(spread(values) or UNKNOWN)


def _mean(runs: Sequence[Subject], key: str) -> float | None:
    known = spread([number(run.figures, key) for run in runs])
    return known.mean if known else None


def _train_loss(run: Subject) -> float | None:
    """As in the summary: the mean over all steps."""
    if (known := number(run.figures, "train_loss")) is not None:
        return known
    steps, losses = run.curve.points("train", "step", "loss")
    return train_means(list(steps), list(losses))["train_loss"]


def settings(comparison: Comparison) -> Table | None:
    """What differs between the configurations, only that, one row per configuration; None when nothing
    does."""
    keys = [key for key in comparison.differs.rows if key != "seed"]
    if not keys:
        return None
    rows = [
        (line.label, *(_values(comparison, line, key) for key in keys)) for line in _best_first(comparison)
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
            comparison.names(pair),
            f"{pair.gap:+.3f}",
            f"{pair.interval[0]:+.3f} to {pair.interval[1]:+.3f}" if pair.interval else NOT_ESTIMABLE,
            f"{pair.p:.2g}",
            pair.verdict,
        )
        for pair in comparison.pairs
    ]
    return Table(("first vs second", "second - first", "95% interval", "p (Holm)", "verdict"), tuple(rows))


def to_csv(comparison: Comparison) -> str:
    """One row per run with full numbers, fingerprints and every setting that differs, those included that
    follow from a name."""
    import pandas as pd

    return pd.DataFrame(_records(comparison)).to_csv(index=False, float_format="%.10g", lineterminator="\n")


def _records(comparison: Comparison) -> Iterator[dict[str, str | float | None]]:
    values = comparison.differs.rows | comparison.differs.implied
    for line in comparison.lines:
        for index in line.group.members:
            run = comparison.subjects[index]
            texts = {
                "label": line.label,
                "path": str(run.path),
                "state": run.state,
                "seed": run.seed or "",
                "model": run.identity.model,
                "tiny": str(run.identity.tiny).lower(),
                "dataset": run.identity.dataset,
                "template": run.identity.template,
                "evaluated_on": line.letter,
            }
            prints = {f"{kind}_fingerprint": run.fingerprints.get(kind, "") for kind in FINGERPRINTS}
            differing = {f"settings.{key}": values[key][index] for key in values}
            yield {**inert(texts), **_metrics(run), **inert(prints | differing)}


def _metrics(run: Subject) -> dict[str, float | None]:
    return {key: number(run.figures, key) for key in METRICS} | {
        "validation_loss": run.final("loss"),
        "bits_per_byte": run.final("bits_per_byte"),
        "train_loss": _train_loss(run),
        "steps": float(run.curve.rows["step"].max()),
    }


def inert(cells: dict[str, str]) -> dict[str, str]:
    """The cells as plain text, with an apostrophe before those that a spreadsheet would run as a formula."""
    return {key: "'" * _is_formula(cell) + printable(cell) for key, cell in cells.items()}


def _is_formula(cell: str) -> bool:
    if not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False
