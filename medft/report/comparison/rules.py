"""What may be drawn beside what: runs -> groups, panels and the warnings that belong to them.

Owns the rules of an honest comparison; ``compare`` is a pure function. Drawing is figure.py's, words and
files are table.py's and compare.py's.

Bits per byte is the common axis: nats summed over the answer's tokens / ln 2 / UTF-8 bytes of the same
answer do not depend on how a tokenizer cuts the text. Loss per token does: a vocabulary of 256k covers the
same words with fewer, harder tokens than one of 32k, so that levels of loss rank nothing across tokenizers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medft.errors import ConfigError
from medft.report.comparison.seeds import (
    Group,
    PairTest,
    Spread,
    compare_pairs,
    group,
    reruns,
    spread,
)
from medft.report.comparison.settings import (
    Differences,
    differences,
    evaluation_letters,
    names,
    what_differs,
)
from medft.report.subject import Subject

Metric = Literal["bits_per_byte", "loss"]
Axis = Literal["step", "tokens", "seconds"]

UNITS = {"bits_per_byte": "bits per byte of the answers", "loss": "loss (nats per token)"}
WHY_NOT_LOSS = (
    "Losses over different vocabularies do not rank: each tokenizer cuts the same text into other tokens, so "
    "that loss per token compares runs within one tokenizer only."
)


@dataclass(frozen=True, slots=True)
class Line:
    """One configuration in the comparison: what is drawn as one line and stands in one row."""

    label: str
    """Shortest name that tells it from the others."""
    group: Group
    """Its seeds."""
    letter: str
    """Equal for lines that were trained and evaluated on the same data, split and prompt; ``?`` unknown."""
    metric: Metric
    """What it is measured in here."""
    final: Spread | None
    """Last validation value over its seeds; None when none was logged."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines that may share an axis."""

    metric: Metric
    """The axis."""
    tokenizer: str | None
    """Fingerprint all lines share; None for several or unknown ones."""
    lines: tuple[int, ...]
    """Indices of lines, best final value first."""
    note: str = ""
    """What the reader must know of this axis."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything a report of a comparison says."""

    subjects: tuple[Subject, ...]
    """The runs."""
    lines: tuple[Line, ...]
    """Configurations, one per row."""
    panels: tuple[Panel, ...]
    """What is drawn on which axis."""
    pairs: tuple[PairTest, ...]
    """Tests between repeated configurations (indices of lines)."""
    differs: Differences
    """Settings that differ."""
    warnings: tuple[str, ...]
    """What must not be overlooked."""
    notes: tuple[str, ...]
    """What is good to know."""
    x: Axis
    """The horizontal axis."""

    def members(self, line: Line) -> list[Subject]:
        """The subjects of a line."""
        return [self.subjects[index] for index in line.group.members]

    def names(self, pair: PairTest) -> str:
        """``mistral vs gemma``."""
        return f"{self.lines[pair.first].label} vs {self.lines[pair.second].label}"


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
    labels = names([own[0] for own in members])
    letters = evaluation_letters(members)
    lines = tuple(
        _line(label, own, letter, runs, metric)
        for label, own, letter, runs in zip(labels, groups, letters, members, strict=True)
    )
    panels = _panels(lines, members)
    return Comparison(
        subjects=tuple(subjects),
        lines=lines,
        panels=panels,
        pairs=tuple(_test(lines, members, panels)),
        differs=differences(subjects),
        warnings=tuple(_warnings(lines, members, panels, x, metric)),
        notes=tuple(_notes(subjects, lines)),
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
        else "loss, tokenizer unknown: levels do not rank"
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


def _warnings(
    lines: Sequence[Line],
    members: list[list[Subject]],
    panels: Sequence[Panel],
    x: Axis,
    metric: Metric | None,
) -> list[str]:
    said = []
    per_token = [panel for panel in panels if panel.metric == "loss"]
    if len(lines) > 1 and per_token and (len(panels) > 1 or not per_token[0].tokenizer):
        said.append(WHY_NOT_LOSS)
    if kinds := what_differs(members):
        said.append(f"Not the same {_list(kinds, 'and')}: {_by_letter(lines)}. Compare within a letter only.")
    unknown = [line.label for line in lines if line.letter == "?"]
    if unknown and len(lines) > 1:
        said.append(f"Data, split or prompt unknown, so perhaps not the same: {_list(unknown)}.")
    if metric == "bits_per_byte" and (without := [line.label for line in lines if line.metric == "loss"]):
        said.append(f"Without bits per byte, so drawn as loss: {_list(without)}.")
    if x == "tokens" and len({run.fingerprints.get("tokenizer") for runs in members for run in runs}) > 1:
        said.append("Tokens are each tokenizer's own: the same text is longer for one than for another.")
    paired = list(zip(lines, members, strict=True))
    if without := [line.label for line, runs in paired if not all(run.curve.has(x) for run in runs)]:
        said.append(f"No {x} logged, so not drawn: {_list(without)}.")
    if going := [line.label for line, runs in paired if runs[0].state not in ("finished", "file")]:
        said.append(f"Not finished: {_list(going)}.")
    return said


def _by_letter(lines: Sequence[Line]) -> str:
    letters = dict.fromkeys(line.letter for line in lines if line.letter != "?")
    return "; ".join(
        f"{letter} = " + _list([x.label for x in lines if x.letter == letter]) for letter in letters
    )


def _notes(subjects: Sequence[Subject], lines: Sequence[Line]) -> list[str]:
    said = []
    if len(lines) > 1 and all(subject.seed for subject in subjects) and len(lines) == len(subjects):
        said.append("One seed each: how far a repeat would fall from its run is unknown.")
    if again := reruns(subjects):
        said.append(
            f"Runs with the settings and seed of an earlier one: {again}. "
            "They are no independent repeats and stand alone."
        )
    if any(subject.identity.tiny for subject in subjects):
        said.append("Tiny twins show that the pipeline works; they are not medical models.")
    said += [f"{subject.path.name}: {note}." for subject in subjects for note in subject.curve.notes]
    return said


def _list(words: Sequence[str], joint: str = "", most: int = 6) -> str:
    shown = list(words[:most])
    if len(words) > most:
        return ", ".join(shown) + f" and {len(words) - most} more"
    return (
        f" {joint} ".join([", ".join(shown[:-1]), shown[-1]])
        if joint and len(shown) > 1
        else ", ".join(shown)
    )
