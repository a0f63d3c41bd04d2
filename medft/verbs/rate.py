"""medft rate: blind rating of base against tuned answers: a page for raters, and the analysis of their
votes."""

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
    """Which answers are rated, and the votes, if any."""

    answers: str = "heldout"
    """The suite whose answers are rated; run medft evaluate on it first."""
    run: str = "latest"
    """The run: a folder, `latest`, or part of a run's name."""
    study: str | None = None
    """A study, by name or folder, instead of a run: the model of its verdict is rated, and its page
    updated."""
    votes: tuple[Path, ...] = ()
    """The raters' files; without them, the page to vote on is written."""
    settled: Path | None = None
    """Votes of the person who settled the raters' disagreements; they replace the raters' votes there, and
    do not count towards agreement."""
    limit: int = 50
    """At most this many questions on the page, drawn by seed."""
    seed: int = 3407
    """Seeds the choice of questions, their order and their sides."""
    artifacts: Path = Path("artifacts")
    """Folder of the runs."""

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ConfigError("'limit' must be at least 1", remedy="set limit=50")
        if self.study is not None and self.run != "latest":
            raise ConfigError("both 'run' and 'study' are given", remedy="give one of them")
        if self.settled is not None and not self.votes:
            raise ConfigError("'settled' needs 'votes'", remedy="votes=[votes-<rater>.csv,...]")


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
        screen.line("wrote", f"{page}; give it to two or more raters, who vote independently")
        screen.line("key", f"{key}; which answer is whose; keep it from the raters")
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
