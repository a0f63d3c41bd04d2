"""Facts about a study for the checklists: by name, with their place on the page and in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medft.format import count, duration
from medft.publish.card_sections import sources, versions
from medft.runs.values import mapping, number, text
from medft.study.writing.outcome import Outcome
from medft.study.writing.primary import sentence
from medft.study.writing.ratings import rated
from medft.study.writing.rows import by_dataset


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that the page tells."""

    section: str
    """The heading under which it stands."""
    words: str = ""
    """The same in short, where that can be."""


def known(outcome: Outcome) -> Mapping[str, Fact]:
    """The facts, by the names that the checklists have for them; those that are not known are missing."""
    study = outcome.study
    facts = {
        "protocol": Fact("Verdict", "study.yaml: outcome, comparisons and rules, written before the runs")
    }
    if not study.records:
        return facts
    return facts | _methods(outcome) | _data(outcome) | _results(outcome)


def _methods(outcome: Outcome) -> dict[str, Fact]:
    study = outcome.study
    suite, part, metric = study.primary
    runs = [record.summary for record in study.records]
    seconds, tokens = (sum(number(run, key) or 0 for run in runs) for key in ("seconds", "tokens"))
    names = dict.fromkeys(record.identity.model_name for record in study.records)
    metrics = dict.fromkeys(place[2] for arm in study.finished for place in arm.tuned.figures)
    dates = sorted({text(s.get("date")) for record in study.records for s in record.suites.values()})
    facts = {
        "objective": Fact("Methods", "fine-tuning of open models, each against its base on the same items"),
        "models": Fact("Methods", ", ".join(names)),
        "openness": Fact("Methods", "open weights, license by model"),
        "kind": Fact("Methods", "fine-tuned (LoRA adapters); the bases are the controls"),
        "recipe": Fact("Methods", "all settings of the training"),
        "prompts": Fact("Methods", "the words of every prompt"),
        "sampling": Fact("Methods", "decoding and longest answer of every suite"),
        "output": Fact("Methods", "generated text, or the likelihood of given answers, by suite"),
        "access": Fact("Methods", "weights on the authors' own machine, by medft"),
        "sessions": Fact("Methods", "every question is a separate conversation"),
        "answers": Fact("Sample of answers", "all of them: evaluation/*.answers.jsonl in the run folders"),
        "reference": Fact("Methods", "the data's own answers and labels"),
        "questions": Fact("Methods", "the data sets and suites named there"),
        "outcome": Fact("Primary outcome", ": ".join(filter(None, (suite, part, metric)))),
        "measures": Fact("Primary outcome", ", ".join(list(metrics)[:8])),
        "statistics": Fact("Methods", "paired tests, intervals, Holm's correction"),
        "comparators": Fact("Primary outcome", "the base of every model, and the cells with each other"),
        "compute": Fact("Cost", f"{duration(seconds)} of training, {count(tokens)} tokens"),
        "code": Fact("How to repeat it", f"medft {versions(study.records[0]).get('medft', '')}"),
    }
    return facts | (
        {"dates": Fact("Methods", " to ".join(dict.fromkeys((dates[0], dates[-1]))))} if dates else {}
    )


def _data(outcome: Outcome) -> dict[str, Fact]:
    found = [source for record in by_dataset(outcome.study).values() for source in sources(record)]
    if not found:
        return {}
    rows = ", ".join(f"{each.name} {each.rows_in or 0:,}" for each in found)
    dropped = sum(sum(each.dropped.values()) for each in found)
    licenses = ", ".join(f"{each.name}: {each.license}" for each in found)
    phi = {
        text(mapping(record.settings, "dataset").get("phi")) for record in by_dataset(outcome.study).values()
    }
    return {
        "data": Fact("Methods", ", ".join(dict.fromkeys(each.name for each in found))),
        "rows": Fact("Flow of rows", f"rows read: {rows}"),
        "left_out": Fact("Flow of rows", f"{dropped:,} rows left out, each with its reason"),
        "preparation": Fact("Methods", "what was mended, dropped and kept"),
        "licenses": Fact("Methods", licenses),
        "privacy": Fact(
            "Methods", f"patterned identifiers: {', '.join(sorted(filter(None, phi))) or 'unknown'}"
        ),
    }


def _results(outcome: Outcome) -> dict[str, Fact]:
    study = outcome.study
    facts = {"limitations": Fact("Limitations", "those that follow from the facts")}
    if outcome.ranked():
        facts["results"] = Fact("Primary outcome", sentence(outcome))
        facts["asked"] = Fact("Flow of rows", "items asked of every suite")
    if (study.folder.plan).is_file():
        facts["sample_size"] = Fact(
            "How to repeat it", "plan.json: the smallest difference that could be shown"
        )
    if study.config.safety and study.finished:
        facts["harm"] = Fact("Safety, refusals and over-refusal", ", ".join(study.config.safety))
    if rated(study):
        facts["raters"] = Fact("Blind ratings", "number of raters and votes, and their agreement")
        facts["blinding"] = Fact("Blind ratings", "answers without names, in random order")
    return facts
