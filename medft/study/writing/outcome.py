"""The primary outcome: what every cell has, and its differences to the base and to the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from medft.evaluation import between
from medft.evaluation.between import Contender
from medft.report.verdicts import Finding
from medft.study.writing.arms import Arm, Study
from medft.study.writing.estimates import Estimate, estimate
from medft.study.writing.topics import OVERLAP


@dataclass(frozen=True)
class Outcome:
    """The primary outcome of a study."""

    study: Study
    """The study."""

    @cached_property
    def _differences(self) -> tuple[list[Finding], list[str]]:
        place, seed = self.study.primary, self.study.config.split_seed
        pairs = [(a, b) for a, b in self.study.pairs() if self._shared(a, b)]
        return between.differences(pairs, seed, lambda each: each == place)

    def _shared(self, first: Contender, second: Contender) -> bool:
        """Whether any item was asked of both."""
        asked = (each.items.get(self.study.primary, {}) for each in (first, second))
        return bool(set.intersection(*map(set, asked)))

    @cached_property
    def apart(self) -> int:
        """Comparisons that cannot be made, since the two have no item in common."""
        return sum(not self._shared(first, second) for first, second in self.study.pairs())

    @cached_property
    def one_scale(self) -> bool:
        """Whether all cells were asked the same items, so that their values rank."""
        asked = {frozenset(arm.tuned.items.get(self.study.primary, {})) for arm in self.study.finished}
        return len(asked - {frozenset()}) == 1

    @property
    def findings(self) -> list[Finding]:
        """The comparisons that were asked for, corrected together."""
        return self._differences[0]

    @property
    def notes(self) -> list[str]:
        """What must be said of the items."""
        return self._differences[1]

    @property
    def decides(self) -> bool:
        """Whether a model may be called better by it."""
        return self.study.primary[2] not in OVERLAP

    def of(self, arm: Arm) -> Estimate | None:
        """The outcome of a cell."""
        return estimate(arm.tuned, self.study.primary) if arm.records else None

    def against_base(self, arm: Arm) -> Finding | None:
        """A cell less its base."""
        name = f"{arm.name} - {arm.control}"
        return next((found for found in self.findings if found.key[3] == name), None)

    def gain(self, arm: Arm) -> float | None:
        """What a cell gained over its base, above 0 for the better."""
        own, base = self.of(arm), estimate(arm.base, self.study.primary)
        sign = 1 if self.study.higher_is_better else -1
        return sign * (own.value - base.value) if own and base else None

    def ranked(self) -> list[Arm]:
        """The cells that have the outcome, best first: by value where all were asked the same items, else by
        their gain."""
        known = [(arm, found) for arm in self.study.arms if (found := self.of(arm))]
        sign = 1 if self.study.higher_is_better else -1
        if self.one_scale:
            return [arm for arm, _ in sorted(known, key=lambda each: -sign * each[1].value)]
        return [arm for arm, _ in sorted(known, key=lambda each: -(self.gain(each[0]) or 0.0))]

    def with_bases(self) -> list[tuple[Arm, Finding]]:
        """The cells with a comparison to their own base, best first."""
        return [(arm, found) for arm in self.ranked() if (found := self.against_base(arm))]

    def between_cells(self) -> list[Finding]:
        """The comparisons that are not with a cell's own base."""
        own = {f"{arm.name} - {arm.control}" for arm in self.study.arms}
        return [found for found in self.findings if found.key[3] not in own]
