"""Rules of a comparison: which runs may share an axis. ``compare`` is a pure function.

Bits per byte is the common axis: nats summed over the answer's tokens / ln 2 / UTF-8 bytes of the same
answer do not depend on how a tokenizer cuts the text. Loss per token does: a vocabulary of 256k covers the
same words with fewer, harder tokens than one of 32k, so that levels of loss rank nothing across tokenizers.
"""

from __future__ import annotations

from collections.abc import Sequence

from medft.errors import ConfigError
from medft.report.comparison.labels import evaluation_letters, labels
from medft.report.comparison.remarks import notes, warnings
from medft.report.comparison.result import Axis, Comparison, Line, Metric, Panel
from medft.report.comparison.seeds import Group, PairTest, compare_pairs, group, spread
from medft.report.comparison.settings import differing
from medft.report.subject import Subject


def compare(subjects: Sequence[Subject], x: Axis = "step", metric: Metric | None = None) -> Comparison:
    """Arrange runs for an honest comparison.

    Args:
        subjects: the runs, newest first.
        x: the horizontal axis.
        metric: the vertical axis; None is bits per byte where it was measured, else loss.

    Raises:
        ConfigError: no run has values for the axes that were asked for.
    """
    _require(subjects, x, metric)
    groups = group(subjects)
    members = [[subjects[index] for index in own.members] for own in groups]
    names = labels([own[0] for own in members])
    letters = evaluation_letters(members)
    lines = tuple(
        _line(label, own, letter, runs, metric)
        for label, own, letter, runs in zip(names, groups, letters, members, strict=True)
    )
    panels = _panels(lines, members)
    return Comparison(
        subjects=tuple(subjects),
        lines=lines,
        panels=panels,
        pairs=tuple(_test(lines, members, panels)),
        differs=differing(subjects),
        warnings=tuple(warnings(lines, members, panels, x, metric)),
        notes=tuple(notes(subjects, lines)),
        x=x,
    )


def _require(subjects: Sequence[Subject], x: Axis, metric: Metric | None) -> None:
    if not any(subject.curve.has(x) for subject in subjects):
        raise ConfigError(f"none of these runs logged {x}", where=f"x={x}", remedy="x=step")
    if metric and not any(subject.curve.has(metric) for subject in subjects):
        raise ConfigError(
            f"none of these runs logged {metric}", where=f"metric={metric}", remedy="metric=auto"
        )


def _line(label: str, own: Group, letter: str, runs: list[Subject], wanted: Metric | None) -> Line:
    measured = all(run.curve.has("bits_per_byte") for run in runs)
    metric: Metric = "bits_per_byte" if measured and wanted != "loss" else "loss"
    return Line(label, own, letter, metric, spread([run.final(metric) for run in runs]))


def _panels(lines: Sequence[Line], members: list[list[Subject]]) -> tuple[Panel, ...]:
    """Bits per byte in one panel; loss in one panel per tokenizer, and one for files that do not say
    theirs."""
    shared: dict[tuple[Metric, str | None], list[int]] = {}
    for index, (line, runs) in enumerate(zip(lines, members, strict=True)):
        tokenizer = runs[0].fingerprints.get("tokenizer") if line.metric == "loss" else None
        shared.setdefault((line.metric, tokenizer), []).append(index)
    several = len(shared) > 1
    return tuple(
        Panel(
            metric,
            tokenizer,
            tuple(sorted(own, key=lambda index: _rank(lines[index]))),
            _panel_note(metric, tokenizer) if several else "",
        )
        for (metric, tokenizer), own in shared.items()
    )


def _rank(line: Line) -> tuple[bool, float, str]:
    return (line.final is None, line.final.mean if line.final else 0.0, line.label)


def _panel_note(metric: Metric, tokenizer: str | None) -> str:
    if metric == "bits_per_byte":
        return "bits per byte: comparable across tokenizers"
    return (
        f"loss within one tokenizer ({tokenizer[:8]})"
        if tokenizer
        else "loss, tokenizer unknown: not comparable"
    )


def _test(lines: Sequence[Line], members: list[list[Subject]], panels: Sequence[Panel]) -> list[PairTest]:
    """Test pairs within a panel and within one evaluation setting, corrected over all of them together."""
    fair: dict[tuple[int, str], list[int]] = {}
    for number, panel in enumerate(panels):
        for index in panel.lines:
            if lines[index].letter != "?":
                fair.setdefault((number, lines[index].letter), []).append(index)
    values = [
        [v for run in runs if (v := run.final(line.metric)) is not None]
        for line, runs in zip(lines, members, strict=True)
    ]
    return compare_pairs(values, [own for own in fair.values() if len(own) > 1])
