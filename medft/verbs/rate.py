"""medft rate: base against tuned, blind: a page for raters, and their votes summed up."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from medft.errors import ConfigError
from medft.evaluation.rating import read_votes, write_rating, write_summary
from medft.evaluation.report import metrics_table, remarks, write_report
from medft.runs import find_run
from medft.screen import Screen

EXAMPLES = (
    "medft rate run=latest answers=heldout limit=40",
    "medft rate run=latest answers=heldout votes=[votes-anna.csv,votes-ben.csv]",
)


@dataclass(frozen=True, slots=True)
class RateConfig:
    """What is rated, and the votes where there are some."""

    answers: str = "heldout"
    """The suite whose answers are rated; it was asked by medft evaluate."""
    run: str = "latest"
    """The run: a folder, `latest`, or part of a run's name."""
    votes: tuple[Path, ...] = ()
    """The raters' files; none writes the page that they vote on."""
    limit: int = 50
    """At most this many questions on the page, drawn by seed."""
    seed: int = 3407
    """Seeds the choice of questions, their order and their sides."""
    artifacts: Path = Path("artifacts")
    """Where runs lie."""

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ConfigError("'limit' must be at least 1", remedy="set limit=50")


def run(config: RateConfig) -> None:
    """Write the page and its key, or sum up the votes and write the report anew.

    Raises:
        MedftError: the run or its answers are missing, or the votes are not on this page.
    """
    screen, found = Screen(), find_run(config.run, config.artifacts)
    screen.title("medft rate", str(found.root))
    if not config.votes:
        page, key = write_rating(found.evaluation, config.answers, config.limit, config.seed)
        screen.line("wrote", f"{page}; give it to two raters or more, each votes alone")
        screen.line("key", f"{key}; which side is whose: not for raters")
        words = (f"run={shlex.quote(config.run)}", f"answers={shlex.quote(config.answers)}")
        screen.line("next", " ".join(("medft rate", *words, "votes=[votes-<rater>.csv,...]")))
        return
    votes = read_votes(found.evaluation, config.answers, config.votes)
    written = write_summary(found.evaluation, config.answers, votes, config.seed)
    table = metrics_table(written)
    screen.table(table.columns, table.rows, wrap=table.columns)
    for remark in remarks(written):
        screen.say(f"  {remark}")
    screen.line("wrote", ", ".join(str(path) for path in write_report(found, f"Evaluation of {found.name}")))
