"""Figures of a suite's report: a forest plot of differences, reliability diagrams, and confusion
matrices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from medft.aliases import Json
from medft.report import svg
from medft.report.blocks import Figure
from medft.report.verdicts import PAIR, interval
from medft.runs.values import flag, mapping, mappings, number, strings, text


def drawn(suite: Json) -> Iterator[Figure]:
    """The figures of one suite."""
    bars = [bar for metric in mappings(suite, "figures") if (bar := _bar(metric))]
    if bars:
        words = (
            f"{PAIR}, with 95% intervals. To the right of the line is better. Shares of items are drawn to "
            "one scale, and so are the parts of one metric; other metrics have their own. What has no "
            "interval that can be estimated is not drawn."
        )
        yield Figure(svg.forest(bars), words)
    for name, extra in mapping(suite, "extras").items():
        if isinstance(extra, Mapping):
            yield from _reliability(name, mapping(extra, "reliability"))
            yield from _confusions(name, extra)


def _reliability(name: str, systems: Json) -> Iterator[Figure]:
    if systems:
        dots = {system: [_dot(each) for each in mappings(systems, system)] for system in systems}
        words = (
            f"Reliability ({name}): of the answers given with some confidence, how many are right. Dots by "
            "items; below the dashed line a system believes too much of itself."
        )
        yield Figure(svg.reliability(dots), words)


def _confusions(name: str, extra: Json) -> Iterator[Figure]:
    rows, columns = strings(extra.get("rows")), strings(extra.get("columns"))
    for system, counted in mapping(extra, "counts").items():
        counts = [[round(float(cell)) for cell in strings(row)] for row in _list(counted)]
        words = f"Confusion, {name}, {system}: a row per gold label, shaded by shares; a column per answer."
        yield Figure(svg.grid(f"{name}, {system}", rows, columns, counts), words)


def _dot(values: Json) -> svg.Dot:
    confidence, accuracy, items = (number(values, name) for name in ("confidence", "accuracy", "items"))
    return svg.Dot(confidence or 0.0, accuracy or 0.0, round(items or 0))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _bar(metric: Json) -> svg.Bar | None:
    """The difference between base and tuned model, with its sign so that above 0 is better."""
    difference = mapping(mapping(metric, "differences"), PAIR)
    value, low, high = (number(difference, end) for end in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return None
    name = ": ".join(filter(None, (text(metric.get("group")), text(metric.get("name")))))
    said = interval(value, low, high, "+")
    if not flag(metric, "higher_is_better"):
        value, low, high = -value, -high, -low
        said += " (lower is better)"
    scale = "share" if flag(metric, "proportion") else text(metric.get("name"))
    return svg.Bar(name, value, low, high, said, scale)
