"""All sources of a data set -> one file of cleaned records, and the keys by which they are divided."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from medft.aliases import Advance
from medft.data.cleaning.answer_faults import bits, faults_of, verdict
from medft.data.cleaning.benchmarks import is_whole, shipped
from medft.data.cleaning.contamination import HeldOutTexts
from medft.data.cleaning.key_index import KeyIndex, Kind
from medft.data.cleaning.keys import Keys, keys_of
from medft.data.cleaning.near_duplicates import SHINGLE, Signatures
from medft.data.cleaning.near_questions import NearQuestions
from medft.data.config import DatasetConfig
from medft.data.costs import Costs
from medft.data.record_files import StagingWriter
from medft.data.row_log import RowLog
from medft.data.source import Source, SourceCounts
from medft.data.splitting.ties import NearCopies


@dataclass(slots=True)
class Ingested:
    """All sources read and cleaned."""

    near: NearCopies | None
    """Signatures of the records, unless near duplicates are not looked for."""
    index: KeyIndex = field(default_factory=KeyIndex)
    """Keys of the cleaned records, in the order of the file."""
    counts: dict[str, SourceCounts] = field(default_factory=dict)
    """By name of the source."""

    def benchmarks(self) -> list[int]:
        """Positions of the sources that are a benchmark, not other data with strays of one."""
        return [
            position
            for position, counts in enumerate(self.counts.values())
            if any(is_whole(name, rows) for name, rows in counts.benchmark.items())
        ]


def ingest(config: DatasetConfig, path: Path, log: RowLog, costs: Costs, progress: Advance) -> Ingested:
    """Read and clean every source of ``config`` into the file ``path``, telling ``progress`` on the way.

    Raises:
        DataError: a source that cannot be used, or a bad row where ``on_error`` is ``stop``.
        HubError: a hub that cannot be reached or refuses.
    """
    off = config.cleaning.near_duplicates == "off"
    ingested = Ingested(None if off else NearCopies(Signatures(), Signatures(), NearQuestions()))
    held_out = HeldOutTexts(config.decontaminate) if config.decontaminate else None
    with StagingWriter(path) as writer:
        for position, (name, member) in enumerate(config.members().items()):
            allowed = config.allow_benchmark_test or member.allow_benchmark_test
            benchmarks = None if allowed else shipped()
            source = Source(name, member, held_out, benchmarks, progress, log, costs)
            ingested.counts[name] = source.counts
            for cleaned in source.records():
                record = cleaned.record
                is_benchmark = source.count_benchmark(record)
                with costs.of("keys"):
                    keys = keys_of(record)
                    faults = bits(tuple(faults_of(record, keys)))
                    kind = Kind(record.task, record.label, verdict(record), faults)
                    ingested.index.add(keys, position, cleaned.split, is_benchmark and not allowed, kind)
                with costs.of("near_duplicates"):
                    _sign(ingested.near, keys)
                with costs.of("writing"):
                    writer.stage(record, cleaned.place)
    return ingested


def _sign(near: NearCopies | None, keys: Keys) -> None:
    """By what texts a record may be near to others: what it teaches, its context and its question."""
    if near is None:
        return
    question, context = keys.words_of("question"), keys.words_of("context")
    by_answer = len(keys.words_of("answer")) >= SHINGLE
    near.texts.add(keys.words_of("answer") if by_answer else (*question, *context))
    near.contexts.add(context if by_answer else ())
    near.questions.add(question)
