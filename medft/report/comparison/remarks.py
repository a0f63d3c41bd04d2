"""Warnings and notes of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from medft.report.comparison.labels import what_differs
from medft.report.comparison.result import Axis, Line, Metric, Panel
from medft.report.comparison.seeds import reruns
from medft.report.subject import Subject

WHY_NOT_LOSS = (
    "Losses over different vocabularies cannot be ranked: each tokenizer cuts the same text into "
    "different tokens, so loss per token compares only runs with the same tokenizer."
)


def warnings(
    lines: Sequence[Line],
    members: list[list[Subject]],
    panels: Sequence[Panel],
    x: Axis,
    metric: Metric | None,
) -> list[str]:
    """What must not be overlooked: what does not rank, is not the same, or was not logged."""
    said = []
    per_token = [panel for panel in panels if panel.metric == "loss"]
    if len(lines) > 1 and per_token and (len(panels) > 1 or not per_token[0].tokenizer):
        said.append(WHY_NOT_LOSS)
    if kinds := what_differs(members):
        said.append(
            f"Not the same {_list(kinds, 'and')}: {_by_letter(lines)}. Compare only within the same letter."
        )
    unknown = [line.label for line in lines if line.letter == "?"]
    if unknown and len(lines) > 1:
        said.append(f"Data, split or prompt unknown, so possibly different: {_list(unknown)}.")
    if metric == "bits_per_byte" and (without := [line.label for line in lines if line.metric == "loss"]):
        said.append(f"No bits per byte, so drawn as loss: {_list(without)}.")
    if x == "tokens" and len({run.fingerprints.get("tokenizer") for runs in members for run in runs}) > 1:
        said.append("Tokens depend on the tokenizer: the same text is longer for one than for another.")
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


def notes(subjects: Sequence[Subject], lines: Sequence[Line]) -> list[str]:
    """What is good to know: missing repeats, tiny twins, files that were not whole."""
    said = []
    if len(lines) > 1 and all(subject.seed for subject in subjects) and len(lines) == len(subjects):
        said.append("One seed each: the variation between repeats is unknown.")
    if again := reruns(subjects):
        said.append(
            f"Runs with the settings and seed of an earlier one: {again}. "
            "They are not independent repeats and are shown separately."
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
