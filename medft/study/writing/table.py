"""The numbers of the page for programs and papers: study.csv in full precision, study.tex for LaTeX."""

from __future__ import annotations

from collections.abc import Iterator

from medft.evaluation import between
from medft.evaluation.between import Place
from medft.report.comparison.tables import inert
from medft.report.verdicts import Finding
from medft.study.writing.arms import Arm
from medft.study.writing.estimates import estimate
from medft.study.writing.other_outcomes import TOPICS, Others
from medft.study.writing.outcome import Outcome
from medft.study.writing.primary import main_table
from medft.study.writing.topics import topic

Cell = str | float | None


def csv_of(found: Outcome, rest: Others) -> str:
    """One row per cell and metric: value, interval, spread of seeds, the base's value, the difference with
    its test; and a row without numbers for each cell that is missing."""
    import pandas as pd

    rows = [row for arm in found.study.arms for row in _rows(found, rest, arm)]
    return pd.DataFrame(rows).to_csv(index=False, float_format="%.10g", lineterminator="\n")


def _rows(found: Outcome, rest: Others, arm: Arm) -> Iterator[dict[str, Cell]]:
    if not arm.tuned.figures:
        yield _about(arm) | {"state": "missing"}
    known = {each.key: each for each in (*found.findings, *rest.everything)}
    for place in arm.tuned.figures:
        name = topic(found.study.config, place)
        if (own := estimate(arm.tuned, place)) is None:
            continue
        base = estimate(arm.base, place)
        yield {
            **_about(arm),
            "state": "measured",
            **_place(place),
            "outcome": name,
            "value": own.value,
            "low": own.low,
            "high": own.high,
            "sd_over_seeds": own.sd,
            "seeds": own.seeds,
            "items": own.items,
            "base": base.value if base else None,
            **_difference(known.get((*place, f"{arm.name} - {arm.control}"))),
        }


def _about(arm: Arm) -> dict[str, Cell]:
    cell = arm.cell
    texts = {"cell": cell.label, "model": cell.model, "dataset": cell.dataset, "template": cell.template}
    return {**inert(texts | dict(cell.varied))}


def _place(place: Place) -> dict[str, Cell]:
    return {**inert(dict(zip(("suite", "part", "metric"), place, strict=True)))}


def _difference(found: Finding | None) -> dict[str, Cell]:
    if found is None:
        return {}
    return {
        "difference": found.value,
        "difference_low": found.low,
        "difference_high": found.high,
        "p": found.p,
        "p_holm": found.corrected,
        "verdict": found.verdict,
        "independent_items": float(found.units),
    }


def latex_of(found: Outcome, rest: Others) -> str:
    """The main table and those of the other outcomes, one after the other."""
    models = [*found.study.controls(), *(arm.tuned for arm in found.study.finished)]
    parts = [("Primary outcome", main_table(found))]
    for name, (heading, _) in TOPICS.items():
        shown = between.results(models, set(rest.places(name)).__contains__)
        parts += [(heading, shown)] if shown is not None else []
    return "\n".join(f"% {heading}\n{between.to_latex(shown)}" for heading, shown in parts)
