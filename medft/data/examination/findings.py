"""What the statistics of a data set mean, in sentences with remedies, and the thresholds from which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from medft.data.cleaning.draw import NOT_DRAWN
from medft.data.examination.languages import Languages
from medft.data.examination.overlap import RECURRING, Overlap
from medft.data.examination.statistics import TokenStatistics
from medft.data.pipeline import SKIPPED
from medft.data.prepare import Prepared
from medft.data.readers.columns import NOT_SELECTED

_ASKED_FOR = frozenset({NOT_SELECTED, NOT_DRAWN})
"""Reasons that the settings ask for: such rows are no loss."""
_LARGE_GROUP = 0.1
"""Share of the rows; a group as large as a held-out split is trained on as a whole."""


@dataclass(frozen=True, slots=True)
class DatasetFinding:
    """One thing to know or to do."""

    level: str
    """problem (do not train like this), warning, or note"""
    what: str
    """In a sentence."""
    remedy: str = ""
    """What to do about it."""


def findings(
    prepared: Prepared, tokens: TokenStatistics | None, languages: Languages, shared: Overlap
) -> Iterator[DatasetFinding]:
    """What the statistics mean, the worst first."""
    if shared.same_question or shared.same_answer:
        yield DatasetFinding(
            "problem",
            f"{shared.same_question:,} held-out questions and {shared.same_answer:,} answers stand in train",
            "this must not happen: please report it with the ledger",
        )
    yield from _row_findings(prepared)
    if tokens:
        yield from _token_findings(tokens, prepared.ledger.kept().total())
    if languages.unlike > 0.02 * languages.sampled:
        share = f"{languages.unlike:,} of {languages.sampled:,}"
        what = f"{share} sampled rows are in another language than configured"
        yield DatasetFinding("warning", what, "check dataset.language")
    if shared.near:
        yield _near_finding(prepared, shared)
    yield from _group_findings(prepared)
    yield from (DatasetFinding("note", note) for note in prepared.ledger.notes)


def _token_findings(tokens: TokenStatistics, rows: int) -> Iterator[DatasetFinding]:
    if tokens.rows_over:
        over = f"{tokens.rows_over:,} rows ({tokens.rows_over / rows:.1%})"
        what = f"{over} are longer than {tokens.max_length:,} tokens"
        yield DatasetFinding("warning", what, "raise trainer.max_length; what is cut is lost to training")
    if tokens.loss_tokens < 0.1 * tokens.tokens:
        what = f"only {tokens.loss_tokens / tokens.tokens:.1%} of the tokens carry loss"
        yield DatasetFinding("warning", what, "prompts are much longer than answers")


def _group_findings(prepared: Prepared) -> Iterator[DatasetFinding]:
    largest = prepared.ledger.statistics.get("rows_in_the_largest_group", 0)
    kept = prepared.ledger.kept().total()
    if largest > max(1, _LARGE_GROUP * kept):
        rows = f"{largest:,} rows ({largest / kept:.1%})"
        yield DatasetFinding(
            "note",
            f"{rows} form one group by question, answer, near copies or topic, and stand in one split",
            "held-out metrics say nothing about it; dataset.cleaning.near_duplicates=drop may break it up",
        )


def _near_finding(prepared: Prepared, shared: Overlap) -> DatasetFinding:
    share = shared.near / shared.sampled
    near = f"{shared.near:,} of {shared.sampled:,} held-out rows ({share:.1%})"
    what = f"{near} share half of their 8-grams with train"
    if shared.recurring:
        what += f", {shared.recurring:,} of them through passages that stand in over {RECURRING} train rows"
    remedy = "models that memorized such passages score higher: compare models on the same held-out rows"
    if 2 * prepared.ledger.statistics.get("rows_with_a_group", 0) < prepared.ledger.kept().total():
        remedy = "dataset.columns.group=... keeps a topic in one split"
    return DatasetFinding("warning" if share > 0.1 else "note", what, remedy)


def _row_findings(prepared: Prepared) -> Iterator[DatasetFinding]:
    ledger = prepared.ledger
    identifiers = sum((Counter(source.identifiers) for source in ledger.sources), Counter[str]())
    if identifiers:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in identifiers.most_common())
        remedy = "if they belong to patients: dataset.phi=redact; names have no pattern and are never found"
        yield DatasetFinding("warning", f"patterned identifiers: {kinds}", remedy)
    dropped = Counter({reason: n for reason, n in ledger.dropped().items() if reason not in _ASKED_FOR})
    if dropped.total() > 0.05 * ledger.rows_in:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.most_common())
        what = f"{dropped.total() / ledger.rows_in:.1%} of the rows are dropped: {reasons}"
        yield DatasetFinding("warning", what, "dataset.cleaning has the filters")
    if (prepared.folder / SKIPPED).exists():
        remedy = f"{prepared.folder.name}/{SKIPPED}, beside the prepared rows, has the place of each"
        yield DatasetFinding(
            "warning", "rows that cannot be used are left out (dataset.on_error=skip)", remedy
        )
    for split in ("validation", "test"):
        if not prepared.rows(split):
            yield DatasetFinding("warning", f"there are no {split} rows", f"dataset.split.{split}=0.1")
