"""All sources of a data set -> one file of cleaned records, and the keys by which they are divided."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medft.aliases import Advance
from medft.data.cleaning.benchmarks import shipped
from medft.data.cleaning.contamination import HeldOutTexts
from medft.data.cleaning.key_index import KeyIndex
from medft.data.cleaning.keys import keys_of
from medft.data.cleaning.near_duplicates import Signatures
from medft.data.config import DatasetConfig
from medft.data.record_files import RecordWriter
from medft.data.source import Source, SourceCounts


@dataclass(slots=True)
class Ingested:
    """All sources read and cleaned."""

    index: KeyIndex
    """Keys of the cleaned records, in the order of the file."""
    signatures: Signatures | None
    """Their MinHash signatures, unless near duplicates are not looked for."""
    counts: dict[str, SourceCounts]
    """By name of the source."""


def ingest(config: DatasetConfig, path: Path, progress: Advance) -> Ingested:
    """Read and clean every source of ``config`` into the file ``path``, telling ``progress`` on the way.

    Raises:
        DataError: a source that cannot be used, or a bad row where ``on_error`` is ``stop``.
        HubError: a hub that cannot be reached or refuses.
    """
    ingested = Ingested(KeyIndex(), None if config.cleaning.near_duplicates == "off" else Signatures(), {})
    held_out = HeldOutTexts(config.decontaminate) if config.decontaminate else None
    with RecordWriter(path) as writer:
        for position, (name, member) in enumerate(config.members().items()):
            allowed = config.allow_benchmark_test or member.allow_benchmark_test
            source = Source(name, member, held_out, None if allowed else shipped(), progress)
            ingested.counts[name] = source.counts
            for record, split in source.records():
                is_benchmark = source.count_benchmark(record)
                keys = keys_of(record)
                writer.add(record)
                ingested.index.add(keys, position, split, is_benchmark and not allowed)
                if ingested.signatures:
                    ingested.signatures.add(keys.words)
    return ingested
