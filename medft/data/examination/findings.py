"""Interprets the statistics of a data set: findings with remedies, and their thresholds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from medft.data.cleaning.draw import NOT_DRAWN
from medft.data.cleaning.keys import TIES
from medft.data.cleaning.settings import remedy_of
from medft.data.examination.languages import UNCLEAR, Languages
from medft.data.examination.overlap import RECURRING, Overlap
from medft.data.examination.statistics import TokenStatistics
from medft.data.ledger import NOT_SEARCHED
from medft.data.prepare import Prepared
from medft.data.readers.columns import NOT_SELECTED
from medft.data.row_log import ROWS
from medft.data.splitting.ties import NEAR
from medft.format import counted

_ASKED_FOR = frozenset({NOT_SELECTED, NOT_DRAWN})
"""Reasons that the settings ask for: such rows are no loss."""
_TOO_MANY = 1 / 3
"""Share of the rows; filters that take more are set wrong, or the columns are."""
_BY = "rows_in_the_largest_group_by_"
_WORDS = {**{name: name for name in TIES}, NEAR: "near duplicates"}
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
    yield from _leaks(prepared, shared)
    yield from _row_findings(prepared)
    yield from _split_findings(prepared)
    if tokens:
        yield from _token_findings(tokens, prepared.ledger.kept().total())
    if languages.unlike > 0.02 * languages.sampled:
        share = f"{languages.unlike:,} of {languages.sampled:,}"
        most = next((name for name in languages.found if name != UNCLEAR), "...")
        what = f"{share} sampled rows are in another language than dataset.language says"
        yield DatasetFinding(
            "warning", what, f"dataset.language={most}, or dataset.columns.language=<column>"
        )
    if shared.near:
        yield _near_finding(prepared, shared)
    yield from (DatasetFinding("note", note) for note in prepared.ledger.notes)


def _token_findings(tokens: TokenStatistics, rows: int) -> Iterator[DatasetFinding]:
    if tokens.rows_over:
        over = f"{tokens.rows_over:,} rows ({tokens.rows_over / rows:.1%})"
        what = f"{over} are longer than {tokens.max_length:,} tokens"
        yield DatasetFinding("warning", what, "raise trainer.max_length, or the rest is lost to training")
    if tokens.loss_tokens < 0.1 * tokens.tokens:
        what = f"only {tokens.loss_tokens / tokens.tokens:.1%} of the tokens carry loss"
        yield DatasetFinding("warning", what, "prompts are much longer than answers")


def _leaks(prepared: Prepared, shared: Overlap) -> Iterator[DatasetFinding]:
    """Held-out texts that are also in train: by the settings, by the data, or by a fault of medft."""
    tie = prepared.config.split.tie
    counts = {"question": shared.same_question, "context": shared.same_context, "answer": shared.same_answer}
    for name, count in counts.items():
        what = f"the {name} of {_rows(count)} held out is also in train"
        if count and tie is not None and name not in tie:
            yield DatasetFinding(
                "warning", what, f"dataset.split.tie={_listed([*tie, name])} keeps them apart"
            )
        elif count and name in prepared.ledger.untied:
            shared_by = _rows(prepared.ledger.untied[name])
            what += f": {name}s that {shared_by} share do not tie rows, or too little could be held out"
            remedy = f"dataset.split.tie={_listed(TIES)} ties them regardless"
            yield DatasetFinding("note" if name == "question" else "warning", what, remedy)
        elif count:
            yield DatasetFinding(
                "problem", what, "this should never happen: please report it with the ledger"
            )


def _split_findings(prepared: Prepared) -> Iterator[DatasetFinding]:
    """Splits that are not what was asked for, and the ties that make them so."""
    figures, kept = prepared.ledger.statistics, prepared.ledger.kept()
    largest, rows = figures.get("rows_in_the_largest_group", 0), kept.total()
    tied = largest > max(1, 0.5 * rows)
    alone = {name: figures.get(f"{_BY}{name}", 0) for name in (*TIES, NEAR)}
    ties = ", ".join(f"by {_WORDS[name]} alone {count:,}" for name, count in alone.items() if count > 1)
    worst = max(alone, key=lambda name: alone[name])
    remedy = (
        "dataset.cleaning.near_duplicates=off"
        if worst == NEAR
        else f"dataset.split.tie={_listed(name for name in TIES if name != worst)}"
    )
    if NEAR in prepared.ledger.untied:
        what = f"near duplicates do not tie rows: they would make one group of {_rows(alone[NEAR])}"
        yield DatasetFinding("warning", what, "dataset.cleaning.near_duplicates=drop keeps one of each")
    for split in ("validation", "test"):
        wanted = getattr(prepared.config.split, split)
        if not kept[split]:
            why = f": the rows form groups that are too large ({ties})" if tied else ""
            yield DatasetFinding(
                "problem" if wanted and tied else "warning",
                f"there are no {split} rows{why}",
                f"{remedy} lets rows that share it be split" if why else f"dataset.split.{split}=0.1",
            )
    if largest > max(1, _LARGE_GROUP * rows):
        what = f"{_rows(largest)} ({largest / rows:.1%}) form one group and were kept in one split"
        yield DatasetFinding(
            "note",
            f"{what}: {ties}",
            f"held-out metrics say nothing about this group; {remedy} may break it up",
        )


def _rows(count: int) -> str:
    return counted(count, "row")


def _listed(names: Iterable[str]) -> str:
    return f"[{','.join(names)}]"


def _near_finding(prepared: Prepared, shared: Overlap) -> DatasetFinding:
    share = shared.near / shared.sampled
    near = f"{shared.near:,} of {shared.sampled:,} held-out rows ({share:.1%})"
    what = f"{near} share half of their 8-grams with train"
    if shared.recurring:
        what += f", {shared.recurring:,} of them through passages found in over {RECURRING} train rows"
    remedy = "models that memorized such passages score higher: compare models on the same held-out rows"
    if 2 * prepared.ledger.statistics.get("rows_with_a_group", 0) < prepared.ledger.kept().total():
        remedy = "dataset.columns.group=... keeps a topic in one split"
    return DatasetFinding("warning" if share > 0.1 else "note", what, remedy)


def _row_findings(prepared: Prepared) -> Iterator[DatasetFinding]:
    ledger = prepared.ledger
    identifiers = sum((Counter(source.identifiers) for source in ledger.sources), Counter[str]())
    if unknown := identifiers.pop(NOT_SEARCHED, 0):
        what = f"identifiers were not looked for in {unknown:,} rows"
        yield DatasetFinding("warning", what, "dataset.phi=warn looks for them")
    if identifiers:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in identifiers.most_common())
        remedy = "if they belong to patients: dataset.phi=redact; names follow no pattern and are not found"
        yield DatasetFinding("warning", f"patterned identifiers: {kinds}", remedy)
    dropped = Counter({reason: n for reason, n in ledger.dropped().items() if reason not in _ASKED_FOR})
    if dropped.total() > 0.05 * ledger.rows_in:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.most_common())
        what = f"{dropped.total() / ledger.rows_in:.1%} of the rows are dropped: {reasons}"
        level = "problem" if dropped.total() > _TOO_MANY * ledger.rows_in else "warning"
        yield DatasetFinding(
            level, what, "; ".join(dict.fromkeys(remedy_of(reason) for reason, _ in dropped.most_common(3)))
        )
    found = sum((Counter(source.found) for source in ledger.sources), Counter[str]())
    for name, count in found.most_common():
        what = f"{_rows(count)} with {name.replace('_', ' ')}, left as they are"
        yield DatasetFinding(
            "warning", what, f"{remedy_of(name, 'drop')}; {ROWS} beside the prepared rows lists them"
        )
