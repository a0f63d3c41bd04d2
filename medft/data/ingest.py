"""All sources of a data set -> one file of cleaned records, and the keys by which they are divided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medft.aliases import Advance
from medft.data.chunk import Chunk, CleanedChunk, chunks_of
from medft.data.cleaning.benchmarks import is_whole
from medft.data.cleaning.key_index import KeyIndex
from medft.data.config import DatasetConfig
from medft.data.costs import Costs
from medft.data.counts import SourceCounts
from medft.data.record_files import staging_schema
from medft.data.row_log import RowLog
from medft.data.source import sources_of
from medft.data.splitting.ties import NearCopies
from medft.data.workers import cleaned

if TYPE_CHECKING:
    import pyarrow.parquet as pq


@dataclass(slots=True)
class Ingested:
    """All sources read and cleaned."""

    near: NearCopies | None
    """By what records are near to others, unless near duplicates are not looked for."""
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

    def add(self, chunk: CleanedChunk, name: str) -> None:
        """Take what was found in a chunk of the source ``name``."""
        self.counts[name].add(chunk.counts)
        self.index.extend(chunk.index)
        if self.near and chunk.near:
            self.near.extend(chunk.near)


def ingest(config: DatasetConfig, path: Path, log: RowLog, costs: Costs, progress: Advance) -> Ingested:
    """Read and clean every source of ``config`` into the file ``path``, telling ``progress`` on the way.

    Raises:
        DataError: a source that cannot be used, or a bad row where ``on_error`` is ``stop``.
        HubError: a hub that cannot be reached or refuses.
    """
    import pyarrow.parquet as pq

    sources, names = sources_of(config), list(config.members())
    near = config.cleaning.near_duplicates != "off"
    ingested = Ingested(NearCopies.none() if near else None, counts={name: SourceCounts() for name in names})
    with pq.ParquetWriter(path, staging_schema(), compression="zstd") as writer:
        for chunk in cleaned(
            config, _chunks(config, costs), lambda chunk: sources[chunk.source].clean(chunk)
        ):
            log.write(chunk.notes)
            with costs.of("merging"):
                ingested.add(chunk, names[chunk.source])
            with costs.of("writing"):
                _write(writer, chunk)
            costs.add(chunk.costs)
            progress(chunk.counts.rows_in)
    return ingested


def _chunks(config: DatasetConfig, costs: Costs) -> Iterator[Chunk]:
    for position, member in enumerate(config.members().values()):
        yield from chunks_of(position, member, costs)


def _write(writer: pq.ParquetWriter, chunk: CleanedChunk) -> None:
    if chunk.records is not None:
        writer.write_batch(chunk.records)
