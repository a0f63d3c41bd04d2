"""Results of suites -> evaluation/report.md and report.html, and the table on the terminal.

It reads what the run folder holds of every suite, so that one that was run last week stands beside today's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medft.evaluation.answers_page import write_answers
from medft.evaluation.drawings import drawn
from medft.files import write_text
from medft.report.blocks import Block, Notice, Section, Table, Text
from medft.report.html import page
from medft.report.markdown import document
from medft.report.verdicts import FEWEST, PAIR, Finding, Key, findings, interval
from medft.runs import RunDir
from medft.runs.record import RunRecord
from medft.runs.values import flag, mapping, mappings, number, strings, text

NOT_ADVICE = (
    "These numbers describe the answers of a language model. They do not make it suitable for clinical use."
)
BASELINES = ("majority baseline", "random baseline")
"""How the entries end that say what always giving the most frequent gold answer scores, and what guessing
does."""
Written = Mapping[str, Any]
"""<suite>.json, or a part of it."""
Findings = Mapping[Key, Finding]
_OVERALL = re.compile(r"acc(?!uracy of the surest|.*where it answers)")
"""The names of accuracies over all items, as baselines are."""
_KINDS = ("better", "worse", "no significant change", "too few items")
VERDICTS = (
    "What the training changed, metric by metric: the tuned model against its own base on the same "
    "items, with 95% intervals."
)
HOW = (
    "Tests are paired on the same items; items of the same document or patient count as one. p-values are "
    "corrected by Holm's method for all metrics of this report, so that a verdict may be 'no significant "
    f"change' where an interval, which is each metric's own, excludes 0. With fewer than {FEWEST} "
    "independent items nothing is called better or worse. docs/evaluation.md explains each metric, "
    "interval and test."
)


def write_report(run: RunDir, title: str) -> list[Path]:
    """Write report.md and report.html of all suites of a run."""
    record = RunRecord(run)
    suites = list(record.suites.values())
    answers = write_answers(run.evaluation, record.suites, title)
    found = findings(suites)
    where = [Section("", [Text(f"All answers: {answers.name}, next to this page.")])] if answers else []
    sections = [_opening(suites, found), *where, *(_section(suite, found) for suite in suites)]
    write_text(run.evaluation / "report.md", document(title, sections))
    write_text(run.evaluation / "report.html", page(title, sections))
    return [run.evaluation / "report.md", run.evaluation / "report.html", *filter(None, (answers,))]


def metrics_table(suite: Written, found: Findings | None = None) -> Table:
    """One row per metric of base and tuned model: each with its interval, then the paired difference with its
    interval and verdict.

    Args:
        suite: what <suite>.json holds.
        found: the findings of the report that the table belongs to; None: the suite is all of it.
    """
    return metrics_tables(suite, found)[0]


def metrics_tables(suite: Written, found: Findings | None = None) -> list[Table]:
    """A table of the metrics for each set of systems that are compared in the suite: base and tuned model, or
    the conditions that one of them is asked under."""
    found = findings([suite]) if found is None else found
    compared: dict[tuple[str, ...], list[Written]] = {}
    for metric in mappings(suite, "figures"):
        compared.setdefault(tuple(mapping(metric, "systems")), []).append(metric)
    return [_table(suite, metrics, found) for metrics in compared.values()] or [Table((), ())]


def _table(suite: Written, metrics: Sequence[Written], found: Findings) -> Table:
    systems = list(dict.fromkeys(name for metric in metrics for name in mapping(metric, "systems")))
    pairs = list(dict.fromkeys(name for metric in metrics for name in mapping(metric, "differences")))
    heads = [head for pair in pairs for head in (pair, "verdict" if len(pairs) == 1 else f"verdict, {pair}")]
    columns = ("part", "metric", *systems, *heads)
    rows = [_row(suite, metric, systems, pairs, found) for metric in metrics]
    if not any(row[0] for row in rows):
        return Table(columns[1:], tuple(row[1:] for row in rows))
    return Table(columns, tuple(rows))


def remarks(suite: Written, found: Findings | None = None) -> list[str]:
    """Remarks on a suite beside its metrics: baselines, power, skewed values, what was not asked."""
    found = findings([suite]) if found is None else found
    extras = [
        f"{name}: {_inline(extra)}."
        for name, extra in mapping(suite, "extras").items()
        if isinstance(extra, Mapping) and not {"counts", "reliability"} & set(extra)
    ]
    left_out = [f"Left out: {n:,} ({reason})." for reason, n in mapping(suite, "left_out").items()]
    return [
        *_baselines(suite), *_power(suite, found), *_skewed(suite, found), *extras,
        *strings(suite.get("notes")), *left_out,
    ]  # fmt: skip


def _opening(suites: Sequence[Written], found: Findings) -> Section:
    blocks: list[Block] = [Notice(NOT_ADVICE)]
    if any(suite.get("tiny") for suite in suites):
        blocks.append(
            Notice(
                "A tiny twin answered: these numbers show that the pipeline works, and say nothing "
                "about a model."
            )
        )
    rows = tuple(row for suite in suites for row in _verdicts(text(suite.get("suite")), found))
    baselines = [f"{suite['suite']}, {line}" for suite in suites for line in _baselines(suite)]
    blocks += [
        Text(VERDICTS),
        Table(("suite", "verdict", "metrics, tuned - base"), rows),
        Text("\n".join([*baselines, HOW])),
    ]
    return Section("", blocks)


def _verdicts(suite: str, found: Findings) -> Iterator[tuple[str, ...]]:
    """A row for each thing that became of metrics of a suite from the base to the tuned model."""
    said: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for finding in found.values():
        if (finding.key[0], finding.key[3]) == (suite, PAIR):
            said[finding.verdict].append(f"{finding.name} {finding.estimate}")
    yield from ((suite, kind, "\n".join(lines)) for kind, lines in said.items() if lines)


def _section(suite: Written, found: Findings) -> Section:
    weights = f", {suite['weights']} weights" if "weights" in suite else ""
    blocks: list[Block] = [Text(f"{suite['asked']:,} items, {suite['date']}{weights}")]
    if suite["figures"]:
        blocks += metrics_tables(suite, found)
    blocks.append(Text("\n".join(remarks(suite, found))))
    blocks += drawn(suite)
    for name, extra in mapping(suite, "extras").items():
        if isinstance(extra, Mapping) and "counts" in extra:
            blocks += [
                Text(f"Confusion, {name}: a row per gold label, a column per answer"),
                _confusion(extra),
            ]
    return Section(text(suite.get("suite")), blocks)


def _row(
    suite: Written, metric: Written, systems: Sequence[str], pairs: Sequence[str], found: Findings
) -> tuple[str, ...]:
    group, name = text(metric.get("group")), text(metric.get("name"))
    arrow = "" if metric.get("higher_is_better", True) else " (lower is better)"
    cells = [_estimate(mapping(mapping(metric, "systems"), system)) for system in systems]
    for pair in pairs:
        finding = found.get((text(suite.get("suite")), group, name, pair))
        cells += _difference(finding) if finding else ("", "")
    return (group, name + arrow, *cells)


def _estimate(estimate: Written) -> str:
    value = number(estimate, "value")
    return "" if value is None else interval(value, number(estimate, "low"), number(estimate, "high"))


def _difference(finding: Finding) -> tuple[str, str]:
    few = f"{finding.verdict}: {finding.units} independent" if finding.units < FEWEST else finding.verdict
    return finding.estimate, ", ".join(filter(None, (few, finding.tested)))


def _baselines(suite: Written) -> Iterator[str]:
    """Which systems do better than always giving the same answer, by the accuracies over all items."""
    for name, share in mapping(suite, "extras").items():
        if not name.endswith(BASELINES) or not isinstance(share, float):
            continue
        group = re.sub(rf"(: )?({'|'.join(BASELINES)})$", "", name)
        above = [
            f"{system} ({metric['name']})"
            for metric in suite["figures"]
            if metric["group"] == group and _OVERALL.match(metric["name"])
            for system, estimate in metric["systems"].items()
            if (number(estimate, "low") or 0.0) > share and (number(estimate, "units") or FEWEST) >= FEWEST
        ]
        yield f"{name}: {share:.3f}. Whole interval above it: {', '.join(above) or 'none'}."


def _power(suite: Written, found: Findings) -> Iterator[str]:
    """How many items would show the differences that were found, where these did not."""
    undecided = [
        f"{finding.name} {max(finding.needed, FEWEST):,}"
        for finding in found.values()
        if (finding.key[0], finding.key[3]) == (text(suite.get("suite")), PAIR)
        and finding.verdict in ("no significant change", "too few items")
        and finding.needed
    ]
    if undecided:
        yield f"Items needed to detect a difference of the observed size (power 0.8): {', '.join(undecided)}."


def _skewed(suite: Written, found: Findings) -> Iterator[str]:
    """Whose intervals may be too short."""
    names = [
        text(metric.get("name"))
        for metric in suite["figures"]
        if any(flag(each, "skewed") for each in metric["systems"].values())
    ]
    names += [f.key[2] for f in found.values() if f.key[0] == text(suite.get("suite")) and f.skewed]
    if names:
        few = ", ".join(dict.fromkeys(names))
        yield f"Values too skewed for so few items, so intervals may cover less than 95%: {few}."


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
