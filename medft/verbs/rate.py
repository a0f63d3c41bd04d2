"""medft rate: base against tuned, blind: a page for raters, and their votes summed up."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from medft.errors import ConfigError
from medft.evaluation.rating import write_rating
from medft.evaluation.report import metrics_table, remarks, write_report
from medft.evaluation.votes import read_votes, write_summary
from medft.runs import RunDir, find_run
from medft.screen import Screen
from medft.study.folder import StudyDir, find_study
from medft.study.writing.page import write_study
from medft.study.writing.ratings import to_rate

EXAMPLES = (
    "medft rate run=latest answers=heldout limit=40",
    "medft rate run=latest answers=heldout votes=[votes-anna.csv,votes-ben.csv]",
    "medft rate study=four_families answers=heldout",
    "medft rate study=four_families votes=[votes-anna.csv,votes-ben.csv] settled=votes-cleo.csv",
)


@dataclass(frozen=True, slots=True)
class RateConfig:
    """What is rated, and the votes where there are some."""

    answers: str = "heldout"
    """The suite whose answers are rated; it was asked by medft evaluate."""
    run: str = "latest"
    """The run: a folder, `latest`, or part of a run's name."""
    study: str | None = None
    """A study, by name or folder, in place of a run: its verdict's cell is rated, its page written anew."""
    votes: tuple[Path, ...] = ()
    """The raters' files; none writes the page that they vote on."""
    settled: Path | None = None
    """Votes on the same page of whoever settled what the raters disagree on; they count there in place of the
    raters', and for no agreement."""
    limit: int = 50
    """At most this many questions on the page, drawn by seed."""
    seed: int = 3407
    """Seeds the choice of questions, their order and their sides."""
    artifacts: Path = Path("artifacts")
    """Where runs lie."""

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ConfigError("'limit' must be at least 1", remedy="set limit=50")
        if self.study is not None and self.run != "latest":
            raise ConfigError("'run' and 'study' are given both", remedy="give one of them")
        if self.settled is not None and not self.votes:
            raise ConfigError("'settled' without 'votes'", remedy="votes=[votes-<rater>.csv,...]")


def run(config: RateConfig) -> None:
    """Write the page and its key, or sum up the votes and write the report anew.

    Raises:
        MedftError: the run or its answers are missing, or the votes are not on this page.
    """
    screen = Screen()
    study = None if config.study is None else find_study(config.study, config.artifacts)
    found = find_run(config.run, config.artifacts) if study is None else to_rate(study, config.answers)
    screen.title("medft rate", str(found.root))
    if not config.votes:
        page, key = write_rating(found.evaluation, config.answers, config.limit, config.seed)
        screen.line("wrote", f"{page}; give it to two raters or more, each votes alone")
        screen.line("key", f"{key}; which side is whose: not for raters")
        of = (
            f"run={shlex.quote(config.run)}" if config.study is None else f"study={shlex.quote(config.study)}"
        )
        words = (of, f"answers={shlex.quote(config.answers)}")
        screen.line("next", " ".join(("medft rate", *words, "votes=[votes-<rater>.csv,...]")))
        return
    _sum_up(config, found, screen)
    if study is not None:
        _write_anew(study, screen)


def _sum_up(config: RateConfig, found: RunDir, screen: Screen) -> None:
    """The votes as metrics, on the screen and in the run's report."""
    votes = read_votes(found.evaluation, config.answers, config.votes)
    settled = read_votes(found.evaluation, config.answers, [config.settled] if config.settled else [])
    written = write_summary(found.evaluation, config.answers, votes, config.seed, settled)
    table = metrics_table(written)
    screen.table(table.columns, table.rows, wrap=table.columns)
    for remark in remarks(written):
        screen.say(f"  {remark}")
    screen.line("wrote", ", ".join(str(path) for path in write_report(found, f"Evaluation of {found.name}")))


def _write_anew(study: StudyDir, screen: Screen) -> None:
    """The study's page, with the ratings."""
    verdict = write_study(study.config(), study, study.trials())
    screen.line("verdict", verdict.words)
    screen.line("wrote", str(study.page("html")))
