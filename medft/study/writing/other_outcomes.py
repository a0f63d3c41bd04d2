"""All outcomes but the primary one, by topic: secondary, regression, safety, calibration, memorization."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from medft.aliases import Json
from medft.evaluation import between
from medft.evaluation.between import Place
from medft.report.blocks import Block, Notice, Section, Table, Text
from medft.report.verdicts import Finding
from medft.study.writing.arms import Study
from medft.study.writing.topics import Topic, topic

HOW = (
    "Values with their 95% intervals; of several seeds, mean ± standard deviation over them. Differences: "
    "each cell less its base on the same items, corrected by Holm's method for all tests of this section. "
    "Held-out rows are each data set's own."
)
MOST = 40
"""Differences of a section that are shown whatever they come to."""
TOPICS: dict[Topic, tuple[str, str]] = {
    "secondary": (
        "Secondary outcomes",
        "None of these was chosen in advance: they are descriptive and decide nothing.",
    ),
    "regression": ("Regression suites", "What the training may have made worse elsewhere."),
    "safety": (
        "Safety, refusals and over-refusal",
        "Scored by word rules, which detect regressions and do not prove that an answer is safe.",
    ),
    "calibration": (
        "Calibration",
        "Whether probabilities can be trusted: lower Brier score and calibration error are better.",
    ),
    "memorization": (
        "Memorization",
        "The longest run of words that an answer shares with a training answer, and training questions asked "
        "again.",
    ),
}


@dataclass(frozen=True)
class Others:
    """The metrics of a study but its primary one."""

    study: Study
    """The study."""
    _known: dict[Topic, list[Finding]] = field(default_factory=dict)

    def findings(self, wanted: Topic) -> list[Finding]:
        """Each cell less its base in the metrics of a topic, corrected together."""
        if wanted not in self._known:
            config = self.study.config
            pairs = [(arm.base, arm.tuned) for arm in self.study.finished]
            found, _ = between.differences(pairs, config.split_seed, lambda at: topic(config, at) == wanted)
            self._known[wanted] = found
        return self._known[wanted]

    @property
    def everything(self) -> list[Finding]:
        """The differences of all topics."""
        return [found for each in TOPICS for found in self.findings(each)]

    @property
    def worse(self) -> list[Finding]:
        """What came out significantly worse than the base."""
        return [found for found in self.everything if found.verdict == "worse"]

    def places(self, wanted: Topic) -> list[Place]:
        """The metrics of a topic that some cell has."""
        known = dict.fromkeys(place for arm in self.study.finished for place in arm.tuned.figures)
        return [place for place in known if topic(self.study.config, place) == wanted]


def sections(others: Others) -> Iterator[Section]:
    """A section for each topic that has metrics; and what got worse."""
    yield worse(others)
    for name, (heading, about) in TOPICS.items():
        places = set(others.places(name))
        if not places:
            continue
        blocks: list[Block] = [Text(about)]
        blocks += _results(others.study, places)
        blocks += _differences(others.findings(name))
        yield Section(heading, [*blocks, *_extras(others.study, name), Text(HOW)])


def worse(others: Others) -> Section:
    """Every metric that came out significantly worse than the base, whatever its topic."""
    heading = "What got worse"
    if not others.study.finished:
        return Section(heading, [Text("No cell finished.")])
    blocks: list[Block] = []
    for name, what in (("regression", "regression"), ("safety", "safety")):
        if not getattr(others.study.config, name):
            blocks.append(Notice(f"No {what} suite was used, so a loss there would not be noticed."))
    if found := others.worse:
        blocks.append(between.table(found))
    else:
        tests = len(others.everything)
        blocks.append(
            Text(f"Of {tests} comparisons with the base, the primary one aside, none is significantly worse.")
        )
    return Section(heading, blocks)


def _differences(found: list[Finding]) -> Iterator[Block]:
    """The differences to the bases; of very many those alone that are significant."""
    shown = found if len(found) <= MOST else [each for each in found if each.verdict in ("better", "worse")]
    if shown:
        yield between.table(shown)
    if rest := len(found) - len(shown):
        yield Text(f"{rest} further differences are not significant; study.csv has all.")


def _results(study: Study, places: set[Place]) -> Iterator[Table]:
    models = [*study.controls(), *(arm.tuned for arm in study.finished)]
    if (table := between.results(models, places.__contains__)) is not None:
        yield table


def _extras(study: Study, name: Topic) -> Iterator[Block]:
    """What the suites say of memorized answers beside their metrics."""
    if name != "memorization":
        return
    lines = [
        f"{arm.name}, seed {record.settings.get('seed')}, {suite}: {key}: "
        + ", ".join(f"{system} {count}" for system, count in extra.items())
        for arm in study.finished
        for record in arm.records
        for suite, written in record.suites.items()
        for key, extra in _counts(written).items()
        if any(extra.values())
    ]
    yield Text(
        "\n".join(lines) or "No answer repeats 50 words of a training answer, or contains an identifier."
    )


def _counts(written: Json) -> dict[str, dict[str, int]]:
    extras = written.get("extras")
    found = extras.items() if isinstance(extras, dict) else ()
    wanted = ("consecutive words of a training answer", "identifiers in generated answers")
    return {key: value for key, value in found if isinstance(value, dict) and key.endswith(wanted)}
