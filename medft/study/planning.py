"""Plans a study: runs, hours, disk, and the smallest difference that its items and seeds can detect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from medft.aliases import Json
from medft.errors import ConfigError, RunError
from medft.evaluation import paired
from medft.evaluation.rehearsal import Outcome
from medft.format import decimal, duration, size
from medft.report.verdicts import ALPHA, FEWEST
from medft.runs import all_runs
from medft.runs.record import RunRecord
from medft.runs.values import mapping, mappings, number
from medft.study.asking import Asked
from medft.study.cells import Trial, comparisons
from medft.study.config import StudyConfig
from medft.study.expected import Expected

CHANGED = 0.25
"""Share of items whose answer is taken to change between right and wrong, before that was ever measured."""


@dataclass(frozen=True, slots=True)
class Power:
    """What the primary outcome could show."""

    items: int
    """Items that it rests on; of several cells the fewest."""
    units: int
    """Independent ones among them."""
    tests: int
    """Comparisons that are corrected together."""
    smallest: float | None
    """Smallest difference that would be shown with power 0.8; in the metric's own unit where its spread is
    known, else in standard deviations of the items' differences."""
    basis: str
    """What the spread was taken from; empty: nothing."""
    seeds: int
    """Runs of every cell."""
    seed_gap: float | None
    """Smallest gap between two cells that their seeds would show, in standard deviations of a cell's seeds;
    None for one seed."""


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """A study, before it begins."""

    runs: int
    """Runs of all cells."""
    there: int
    """Those that have finished already, here or elsewhere."""
    seconds: float | None
    """Expected time of those that are to be trained, one after the other; None where nothing tells it."""
    disk: int | None
    """Bytes that they write; None where sizes are not known."""
    download: int
    """Bytes of base checkpoints that are not on this machine yet."""
    questions: dict[str, int | None]
    """Questions that each suite puts to a base or a run; None: lm-evaluation-harness does not tell."""
    power: Power | None
    """None where the items are not known before they are asked."""
    cells: tuple[Json, ...]
    """Steps, tokens, time, disk and problems of a run of each cell."""

    def to_json(self) -> Json:
        """The JSON of plan.json."""
        return asdict(self)


def make(
    study: StudyConfig,
    expected: Sequence[Expected],
    trials: Sequence[Trial],
    asked: Sequence[Asked],
    outcomes: Sequence[Outcome],
) -> StudyPlan:
    """Plan a study.

    Args:
        study: its settings. expected: its cells. trials: its runs, as they stand.
        asked: what every suite asks. outcomes: the primary one, of every cell.

    Raises:
        ConfigError: the items are too few for any comparison.
    """
    to_do = [trial.cell.label for trial in trials if trial.state != "finished"]
    pairs = len(comparisons(study, [each.cell for each in expected]))
    times = [each.seconds for each in expected for label in to_do if each.cell.label == label]
    rooms = [each.disk for each in expected for label in to_do if each.cell.label == label]
    known = [seconds for seconds in times if seconds is not None]
    written = [room for room in rooms if room is not None]
    return StudyPlan(
        runs=len(trials),
        there=len(trials) - len(to_do),
        seconds=sum(known) if len(known) == len(times) else None,
        disk=sum(written) if len(written) == len(rooms) else None,
        download=max((each.download for each in expected), default=0),
        questions={each.suite: each.rehearsal.questions for each in asked},
        power=_power(study, outcomes, pairs) if outcomes else None,
        cells=tuple(_cell(each) for each in expected),
    )


def lines(study: StudyConfig, plan: StudyPlan) -> Iterator[tuple[str, str]]:
    """The plan in words: a label and a line."""
    runs = f"{plan.runs}, of cells {len(plan.cells)} x seeds {len(study.seeds)}"
    yield "runs", runs + (f"; there already: {plan.there}" if plan.there else "")
    if plan.runs > plan.there:
        time = "unknown before the first run of such a model here"
        if plan.seconds is not None:
            time = (
                f"about {duration(plan.seconds)} of training, one run after the other; evaluation "
                "takes additional time"
            )
        yield "time", time
        room = size(plan.disk) if plan.disk is not None else "unknown"
        yield "disk", room + (f"; {size(plan.download)} to download" if plan.download else "")
    if study.hours is not None and plan.seconds is not None and plan.seconds > 3600 * study.hours:
        over = f"that is more than hours={study.hours:g}: no run starts after that, and what is"
        yield (
            "notice",
            f"{over} missing stays missing; use fewer cells, seeds or trainer.max_steps, or more hours",
        )
    asked = (f"{name} {f'{n:,}' if n else 'unknown'}" for name, n in plan.questions.items())
    yield "asked", f"questions to each run and base: {', '.join(asked)}"
    yield from _power_lines(study, plan.power)


def _power_lines(study: StudyConfig, power: Power | None) -> Iterator[tuple[str, str]]:
    wanted = study.primary
    name = f"{wanted.metric} of {wanted.suite}" + (f", {wanted.part}" if wanted.part else "")
    yield "primary", name
    if power is None:
        yield "", "its items are unknown until lm-evaluation-harness has run"
        return
    fewer = f", {power.units:,} independent" if power.units < power.items else ""
    items = f"{power.items:,} items{fewer}"
    among = f"{power.tests} comparisons" if power.tests > 1 else "1 comparison"
    if power.smallest is not None:
        unit = "" if power.basis else " standard deviations of the items' differences"
        basis = f" ({power.basis})" if power.basis else ""
        least = f"a difference of {decimal(power.smallest)}{unit} would be detected in 4 of 5 studies{basis}"
        yield "power", f"{items}, {among}: {least}"
    if power.seed_gap is None:
        yield "notice", "one seed does not show how much another seed would differ; use seeds=[1,2,3]"
    else:
        gap = f"a gap of {decimal(power.seed_gap, 1)} standard deviations of their seeds"
        yield "", f"{power.seeds} seeds: two cells can be distinguished by {gap}"


def _cell(each: Expected) -> Json:
    return {
        "cell": each.cell.label, "steps": each.steps, "tokens": each.tokens, "seconds": each.seconds,
        "disk": each.disk, "problems": list(each.problems),
    }  # fmt: skip


def _power(study: StudyConfig, outcomes: Sequence[Outcome], tests: int) -> Power:
    """What the cell with the fewest items could show.

    Raises:
        ConfigError: nothing, since they are too few.
    """
    fewest = min(outcomes, key=lambda outcome: outcome.units)
    if fewest.units < FEWEST:
        raise ConfigError(
            f"{fewest.units} independent items of the primary outcome are too few for any comparison: "
            f"the least for a verdict is {FEWEST}",
            where=f"{study.primary.metric} of {study.primary.suite}",
            remedy="more held-out rows (dataset.split.test, suite.<name>.limit), or another suite",
        )
    spread, basis = _spread(study, fewest)
    smallest = paired.smallest_difference(fewest.units, spread, tests)
    gap = _seed_gap(len(study.seeds), tests)
    return Power(fewest.items, fewest.units, tests, smallest, basis, len(study.seeds), gap)


def _spread(study: StudyConfig, outcome: Outcome) -> tuple[float, str]:
    """Standard deviation of the items' differences, and where it is from: the newest run that answered the
    suite, or, of a yes or no, a share of items that change."""
    for run in all_runs(study.artifacts):
        try:
            suite = RunRecord(run).suites.get(study.primary.suite, {})
        except RunError:
            continue
        for metric in mappings(suite, "figures"):
            if (metric.get("name"), metric.get("group")) == (outcome.metric, outcome.part):
                found = mapping(mapping(metric, "differences"), "tuned - base")
                low, high, units = (number(found, key) for key in ("low", "high", "units"))
                if low is not None and high is not None and units and high > low:
                    return (high - low) / 2 / 1.96 * units**0.5, f"with the spread observed in {run.name}"
    if outcome.share:
        return CHANGED**0.5, f"if {CHANGED:.0%} of the answers change between right and wrong"
    return 1.0, ""


def _seed_gap(seeds: int, tests: int) -> float | None:
    """The gap between two means of so many seeds that Welch's test shows with power 0.8."""
    if seeds < 2:
        return None
    from statsmodels.stats.power import TTestIndPower

    alpha = ALPHA / tests
    return float(TTestIndPower().solve_power(nobs1=seeds, alpha=alpha, power=paired.POWER))
