"""Models beside each other on the suites that they answered: their figures, with seeds as spread, and paired
differences on the items that both were asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from medft.aliases import Json
from medft.evaluation import statistics
from medft.evaluation.statistics import Difference
from medft.report.blocks import Table
from medft.report.comparison.seeds import spread
from medft.report.verdicts import Finding, findings, interval
from medft.runs.record import RunRecord
from medft.runs.values import flag, mapping, mappings, number, text

TUNED, BASE = "tuned", "base"
Place = tuple[str, str, str]
"""Suite, part and metric."""
SIGNS = {"±": r"$\pm$", "×": r"$\times$", "<": "$<$", ">": "$>$"}
"""What LaTeX's text mode prints otherwise, or not at all."""
PER_TOKEN = ("loss", "perplexity")
"""Metrics that do not compare between tokenizers."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What one item scored, as the mean over the seeds of a model."""

    value: float
    """Its score."""
    weight: float
    """Its weight in the metric."""
    cluster: str
    """What it shares with other items."""


@dataclass(frozen=True)
class Contender:
    """One model of a comparison."""

    label: str
    """What it is called."""
    runs: tuple[RunRecord, ...]
    """Its runs: one for each seed."""
    system: str = TUNED
    """Which of the run's systems it is."""

    @cached_property
    def figures(self) -> dict[Place, list[Json]]:
        """Each metric of each suite, of every run that has it."""
        found: dict[Place, list[Json]] = {}
        for run in self.runs:
            for name, suite in run.suites.items():
                for metric in mappings(suite, "figures"):
                    place = (name, text(metric.get("group")), text(metric.get("name")))
                    if number(mapping(mapping(metric, "systems"), self.system), "value") is not None:
                        found.setdefault(place, []).append(metric)
        return found

    @cached_property
    def _rows(self) -> dict[Place, dict[str, list[Mapping[str, str]]]]:
        """The lines of each item, one for every run that was asked it."""
        rows: dict[Place, dict[str, list[Mapping[str, str]]]] = {}
        for run in self.runs:
            for name in run.suites:
                for row in run.items(name):
                    if row.get(self.system):
                        rows.setdefault((name, row["part"], row["metric"]), {}).setdefault(
                            row["item"], []
                        ).append(row)
        return rows

    @cached_property
    def items(self) -> dict[Place, dict[str, Scored]]:
        """What each item scored, where all runs that have the metric were asked it."""
        asked = {place: max(map(len, of.values())) for place, of in self._rows.items()}
        return {
            place: {item: self._scored(each) for item, each in of.items() if len(each) == asked[place]}
            for place, of in self._rows.items()
        }

    def partly_asked(self, place: Place) -> int:
        """Items that some of its runs were asked and others not, which count for nothing."""
        return len(self._rows[place]) - len(self.items[place])

    def _scored(self, rows: Sequence[Mapping[str, str]]) -> Scored:
        value = sum(float(row[self.system]) for row in rows) / len(rows)
        return Scored(value, float(rows[0]["weight"]), rows[0]["cluster"])

    @property
    def tokenizer(self) -> str:
        """The fingerprint of its tokenizer; empty where it is unknown."""
        return self.runs[0].fingerprints.get("tokenizer", "")


def with_bases(contenders: Sequence[Contender]) -> list[Contender]:
    """The models, and before them the bases that they were trained from, each once."""
    bases: dict[str, Contender] = {}
    for each in contenders:
        name = each.runs[0].identity.model_name
        bases.setdefault(name, Contender(f"{name}, base", each.runs[:1], BASE))
    return [*bases.values(), *contenders]


def results(
    contenders: Sequence[Contender], wanted: Callable[[Place], bool] = lambda _: True
) -> Table | None:
    """One row per metric, one column per model: value with its interval, or mean and spread of its seeds;
    None where nobody has a metric that is ``wanted``."""
    places = list(dict.fromkeys(place for each in contenders for place in each.figures if wanted(place)))
    if not places:
        return None
    rows = []
    for place in places:
        better = next(each.figures[place][0] for each in contenders if place in each.figures)
        arrow = "" if better.get("higher_is_better", True) else " (lower is better)"
        cells = [_cell(each, place) for each in contenders]
        rows.append((place[0], place[1], place[2] + arrow, *cells))
    columns = ("suite", "part", "metric", *(each.label for each in contenders))
    keep = [i for i, name in enumerate(columns) if name != "part" or any(row[i] for row in rows)]
    return Table(tuple(columns[i] for i in keep), tuple(tuple(row[i] for i in keep) for row in rows))


def differences(
    pairs: Iterable[tuple[Contender, Contender]], seed: int, wanted: Callable[[Place], bool] = lambda _: True
) -> tuple[list[Finding], list[str]]:
    """Pairs of models on the items that both were asked, all tests corrected together; and what must be said
    of the items.

    Args:
        pairs: the first and the second of each. seed: of the permutations.
        wanted: which metrics are compared.
    """
    suites: list[Json] = []
    notes: dict[str, None] = {}
    for first, second in pairs:
        for place in [place for place in first.items if place in second.items and wanted(place)]:
            if place[2] in PER_TOKEN and first.tokenizer != second.tokenizer:
                notes.setdefault("Loss per token is not compared between tokenizers; bits per byte are.")
                continue
            found, said = _pair(first, second, place, seed)
            notes.update(dict.fromkeys(said))
            if found is not None:
                suites.append(_as_suite(place, first.figures, found, f"{second.label} - {first.label}"))
    return list(findings(suites, one_family=True).values()), list(notes)


def table(found: Sequence[Finding]) -> Table:
    """The differences, one row each."""
    rows = tuple((f.key[0], f.name, f.key[3], f.estimate, f.tested, f.verdict, f"{f.units:,}") for f in found)
    return Table(
        ("suite", "metric", "second - first", "difference", "test", "second is", "independent items"), rows
    )


def to_csv(shown: Table) -> str:
    """A table as csv."""
    import pandas as pd

    return pd.DataFrame(shown.rows, columns=list(shown.columns)).to_csv(index=False, lineterminator="\n")


def to_latex(shown: Table) -> str:
    """A table for a paper, in LaTeX with the package booktabs."""
    import pandas as pd

    frame = pd.DataFrame(shown.rows, columns=list(shown.columns))
    text = frame.to_latex(index=False, escape=True)
    for sign, command in SIGNS.items():
        text = text.replace(sign, command)
    return text


def _cell(contender: Contender, place: Place) -> str:
    metrics = contender.figures.get(place, [])
    estimates = [mapping(mapping(metric, "systems"), contender.system) for metric in metrics]
    if len(estimates) == 1:
        only = estimates[0]
        return interval(number(only, "value") or 0.0, number(only, "low"), number(only, "high"))
    return str(spread([number(each, "value") for each in estimates]) or "")


def _pair(
    first: Contender, second: Contender, place: Place, seed: int
) -> tuple[Difference | None, Iterator[str]]:
    """The difference on the items that both were asked, of which the same was left to score."""
    a, b = first.items[place], second.items[place]
    both = [item for item in a if item in b]
    same = [item for item in both if a[item].weight == b[item].weight]
    said = _of_items(place, first, second, len(both), len(same))
    if not same:
        return None, said
    values = [[of[item].value for item in same] for of in (a, b)]
    clusters = [a[item].cluster for item in same]
    weights = [a[item].weight for item in same]
    shares = all(
        flag(metric, "proportion") for each in (first, second) for metric in each.figures.get(place, [])
    )
    if shares and {*values[0], *values[1]} <= {0.0, 1.0}:  # else they are means over seeds
        hits = [[value == 1 for value in each] for each in values]
        return statistics.compare_shares(hits[0], hits[1], clusters), said
    return statistics.compare_means(values[0], values[1], weights, clusters, seed=seed), said


def _of_items(place: Place, first: Contender, second: Contender, both: int, same: int) -> Iterator[str]:
    pair = f"{first.label} and {second.label}"
    asked = len(first.items[place]), len(second.items[place])
    for each in (first, second):
        if partly := each.partly_asked(place):
            yield (
                f"{place[0]}: items of {each.label} left out, since not all of its seeds answered "
                f"them: {partly:,}."
            )
    if (both, both) != asked:
        yield f"{place[0]}: {pair} did not answer the same items; the {both:,} that both answered are used."
    if same < both:
        yield (
            f"{place[0]}, {place[2]}: {both - same:,} items are left out of {pair}: their tokenizers cut "
            "other parts of the answers."
        )


def _as_suite(place: Place, figures: Mapping[Place, list[Json]], found: Difference, pair: str) -> Json:
    suite, group, name = place
    up = all(metric.get("higher_is_better", True) for metric in figures.get(place, []))
    metric = {"name": name, "group": group, "higher_is_better": up, "differences": {pair: asdict(found)}}
    return {"suite": suite, "figures": [metric]}
