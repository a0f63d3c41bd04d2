"""Labels for the lines of a comparison: the shortest distinguishing names, and letters for what they were
evaluated on.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from string import ascii_uppercase

from medft.report.comparison.settings import NAMES, differing
from medft.report.subject import Subject
from medft.screen import printable

UNREAD = "?"


def labels(subjects: Sequence[Subject]) -> list[str]:
    """The shortest honest name of each subject: of model, data set and template those that differ, then
    further settings that differ, then the seed, then the folder, as far as they are needed to tell all
    apart."""
    # Where every model is its tiny twin, that is said once, under the plot.
    model = "model" if len({subject.identity.tiny for subject in subjects}) == 1 else "model_name"
    axes = [_axis(subjects, model), _axis(subjects, "dataset"), _axis(subjects, "template")]
    parts = [[axis[index] for axis in axes if axis[index]] for index in range(len(subjects))]
    for index, subject in enumerate(subjects):
        parts[index] = parts[index] or [subject.identity.model or subject.path.name]
    for key, values in differing(subjects).rows.items():
        if key in NAMES or key == "seed" or key.endswith(" used") or _all_different(parts):
            continue
        for own, value in zip(parts, values, strict=True):
            own.extend([f"{key.rsplit('.', 1)[-1]}={value}"] * bool(value))
    for extra in (lambda s: f"seed {s.seed}" * bool(s.seed), lambda s: s.path.name, lambda s: str(s.path)):
        twice = _repeated(parts)
        for own, subject, again in zip(parts, subjects, twice, strict=True):
            own.extend([extra(subject)] * (again and bool(extra(subject))))
    return [printable(" · ".join(own)).replace("\n", "\ufffd") for own in parts]


def _axis(subjects: Sequence[Subject], field: str) -> list[str]:
    values = [str(getattr(subject.identity, field)) for subject in subjects]
    return values if len(set(values)) > 1 else [""] * len(values)


def _repeated(parts: Sequence[Sequence[str]]) -> list[bool]:
    joined = [tuple(own) for own in parts]
    return [joined.count(own) > 1 for own in joined]


def _all_different(parts: Sequence[Sequence[str]]) -> bool:
    return not any(_repeated(parts))


EVALUATED_ON = ("data", "split", "template")
BYTES = "validation_bytes"
IN_WORDS = {
    "data": "data", "split": "split", "template": "prompt",
    BYTES: "bytes of validation answers (rows are cut at other places)",
}  # fmt: skip


def evaluation_letters(groups: Sequence[Sequence[Subject]]) -> list[str]:
    """One letter per group of subjects: the same where trained and evaluated on the same data, splits and
    prompts (as a set over its seeds, which may draw splits of their own), and where the validation answers
    are the same bytes once long rows are cut; ``?`` where a fingerprint is unknown."""
    prints = [frozenset(map(_evaluated_on, members)) for members in groups]
    known = dict.fromkeys(p for p in prints if not any(UNREAD in each for each in p))
    letters = dict(zip(known, itertools.chain(ascii_uppercase, itertools.repeat("Z")), strict=False))
    return [letters.get(p, UNREAD) for p in prints]


def _evaluated_on(subject: Subject) -> tuple[str, ...]:
    known = tuple(subject.fingerprints.get(kind, UNREAD) for kind in EVALUATED_ON)
    return (*known, subject.fingerprints.get(BYTES, ""))


def what_differs(groups: Sequence[Sequence[Subject]]) -> list[str]:
    """Which of data, split and prompt are known to differ between groups, in words."""
    return [
        IN_WORDS[kind]
        for kind in IN_WORDS
        if len(
            {frozenset(s.fingerprints.get(kind) for s in members) - {None} for members in groups}
            - {frozenset()}
        )
        > 1
    ]
