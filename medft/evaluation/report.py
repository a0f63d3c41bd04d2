"""Results of suites -> evaluation/report.md and report.html, and the table on the terminal.

It reads the JSON of the suites, so that a suite that was run last week stands beside today's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medft.files import read_json, write_text
from medft.report.blocks import Block, Notice, Section, Table, Text
from medft.report.html import page
from medft.report.markdown import document

NOT_ADVICE = "These numbers describe answers of a language model. They do not make it fit for clinical use."
BASELINE = "majority baseline"
"""How the entries end that say what always giving the most frequent gold answer scores."""
Written = Mapping[str, Any]
"""<suite>.json, or a part of it."""
PAIR = "tuned - base"
_KINDS = ("better", "worse", "no significant change")
VERDICTS = (
    "What the training changed, metric by metric: the tuned model against its own base on the same items."
)
MANY = (
    "Intervals are 95%. Tests are paired on the same items and not corrected for the number of metrics: "
    "among 20, one is expected to differ by chance."
)


def write_report(folder: Path, title: str) -> list[Path]:
    """Write report.md and report.html from every <suite>.json in ``folder``."""
    suites = [read_json(path) for path in sorted(folder.glob("*.json"))]
    sections = [_opening(suites), *(_section(suite) for suite in suites)]
    write_text(folder / "report.md", document(title, sections))
    write_text(folder / "report.html", page(title, sections))
    return [folder / "report.md", folder / "report.html"]


def metrics_table(suite: Written) -> Table:
    """One row per metric: each system with its interval, then each paired difference in words."""
    systems = list(dict.fromkeys(name for metric in suite["figures"] for name in metric["systems"]))
    pairs = list(dict.fromkeys(name for metric in suite["figures"] for name in metric["differences"]))
    columns = ("part", "metric", *systems, *pairs)
    rows = [_row(metric, systems, pairs) for metric in suite["figures"]]
    if not any(row[0] for row in rows):
        return Table(columns[1:], tuple(row[1:] for row in rows))
    return Table(columns, tuple(rows))


def remarks(suite: Written) -> list[str]:
    """Remarks on a suite beside its metrics: baselines, retrieval, what was not asked."""
    extras = [
        f"{name}: {_inline(extra)}."
        for name, extra in suite["extras"].items()
        if isinstance(extra, Mapping) and "counts" not in extra
    ]
    left_out = [f"Not asked: {n:,} {reason}." for reason, n in suite["left_out"].items()]
    return [*_baselines(suite), *extras, *suite["notes"], *left_out]


def _opening(suites: Sequence[Written]) -> Section:
    blocks: list[Block] = [Notice(NOT_ADVICE)]
    if any(suite.get("tiny") for suite in suites):
        blocks.append(Notice("A tiny twin answered: these numbers prove the pipeline, not a model."))
    rows = tuple(_verdicts(suite) for suite in suites)
    baselines = [f"{suite['suite']}, {line}" for suite in suites for line in _baselines(suite)]
    blocks += [Text(VERDICTS), Table(("suite", *_KINDS), rows), Text("\n".join([*baselines, MANY]))]
    return Section("", blocks)


def _verdicts(suite: Written) -> tuple[str, ...]:
    """The names of a suite's metrics by what became of them from the base to the tuned model."""
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for metric in suite["figures"]:
        if difference := metric["differences"].get(PAIR):
            name = ": ".join(filter(None, (metric["group"], metric["name"])))
            found[difference["verdict"]].append(name)
    return (suite["suite"], *("\n".join(names) or "-" for names in found.values()))


def _section(suite: Written) -> Section:
    weights = f", {suite['weights']} weights" if "weights" in suite else ""
    blocks: list[Block] = [Text(f"{suite['asked']:,} items, {suite['date']}{weights}")]
    if suite["figures"]:
        blocks.append(metrics_table(suite))
    blocks.append(Text("\n".join(remarks(suite))))
    for name, extra in suite["extras"].items():
        if isinstance(extra, Mapping) and "counts" in extra:
            blocks += [
                Text(f"Confusion, {name}: a row per gold label, a column per answer"),
                _confusion(extra),
            ]
    return Section(suite["suite"], blocks)


def _row(metric: Written, systems: Sequence[str], pairs: Sequence[str]) -> tuple[str, ...]:
    arrow = "" if metric["higher_is_better"] else " (lower is better)"
    cells = [_estimate(metric["systems"].get(name)) for name in systems]
    words = [_difference(metric["differences"].get(name)) for name in pairs]
    return (metric["group"], metric["name"] + arrow, *cells, *words)


def _estimate(estimate: Written | None) -> str:
    if estimate is None:
        return ""
    value, low, high = (_number(estimate[key]) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign},.0f}" if abs(value) >= 1000 else f"{value:{sign}.3f}"


def _difference(difference: Written | None) -> str:
    if difference is None:
        return ""
    p = difference["p"]
    tested = "" if p is None else ", p < 0.001" if p < 0.001 else f", p = {p:.3f}"
    value, low, high = (_number(difference[key], "+") for key in ("value", "low", "high"))
    return f"{difference['verdict']} ({value} [{low}, {high}]{tested})"


def _baselines(suite: Written) -> Iterator[str]:
    """Which systems do better than always giving the same answer."""
    for name, share in suite["extras"].items():
        if not name.endswith(BASELINE):
            continue
        group = name.removesuffix(BASELINE).removesuffix(": ")
        above = [
            f"{system} ({metric['name']})"
            for metric in suite["figures"]
            if metric["group"] == group and metric["name"].startswith("accuracy")
            for system, estimate in metric["systems"].items()
            if estimate["low"] > share
        ]
        yield f"{name}: {share:.3f}. Significantly above it: {', '.join(above) or 'none'}."


def _confusion(extra: Written) -> Table:
    rows = (
        (system, gold, *map(str, row))
        for system, counts in extra["counts"].items()
        for gold, row in zip(extra["rows"], counts, strict=True)
    )
    return Table(("system", "gold", *extra["columns"]), tuple(rows))


def _inline(extra: Written) -> str:
    return ", ".join(
        f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in extra.items()
    )
