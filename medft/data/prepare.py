"""A data set's settings -> its splits on disk with their ledger: made once, found again, read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medft.aliases import Advance
from medft.data import cache
from medft.data.config import DatasetConfig
from medft.data.costs import COSTS
from medft.data.ledger import Ledger
from medft.data.readers.pins import pinned
from medft.data.record import SPLITS, Record
from medft.data.record_files import CLOSED, count_records, read_records
from medft.errors import MedftError
from medft.files import atomic_folder, read_json, write_json

LEDGER = "ledger.json"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set on disk, split and accounted for."""

    folder: Path
    """Holds one parquet file per split, and the ledger."""
    ledger: Ledger
    """The account of every row."""
    config: DatasetConfig
    """What was read, with the commit of every hub data set in place of a branch or tag."""
    reused: bool
    """Whether the folder was there already."""

    @property
    def fingerprint(self) -> str:
        """Digest of all that the folder was made from; it ends the folder's name."""
        return self.folder.name.rsplit("-", 1)[-1]

    def path(self, split: str) -> Path:
        """The parquet file of ``train``, ``validation`` or ``test``; it exists even when it has no rows."""
        return self.folder / f"{split}.parquet"

    def rows(self, split: str) -> int:
        """Rows in a split."""
        return self.ledger.kept()[split]

    def closed_answers(self) -> frozenset[int]:
        """Keys (``keys.Tie``) of the answers of a closed set: letters, classes, yes and no."""
        path = self.folder / CLOSED
        return frozenset(read_json(path)["keys"]) if path.exists() else frozenset()

    def costs(self) -> dict[str, float]:
        """Seconds of each step, when the folder was made."""
        path = self.folder / COSTS
        return read_json(path) if path.exists() else {}

    def records(self, split: str) -> Iterator[Record]:
        """The records of a split, in the order of the sources."""
        return read_records(self.path(split))


def prepare(
    config: DatasetConfig, *, seed: int, processed: Path, progress: Advance = lambda rows: None
) -> Prepared:
    """Read, clean, split and store a data set, or find it done.

    It is found when nothing that matters has changed: the bytes of the sources (the commit of a hub data
    set), the settings, the seed, and the code of this package. Several processes may call this at once.

    Args:
        config: what to read and how.
        seed: of the split and of rows that are drawn, where ``config.split.seed`` names none.
        processed: the folder of prepared data sets.
        progress: called with the rows read since its last call.

    Raises:
        DataError: a source, row or column that cannot be used, or no row left to train on.
        HubError: a hub that cannot be reached or refuses.
    """
    seed = seed if config.split.seed is None else config.split.seed
    with cache.writing(processed):
        config = pinned(config, processed)
    sources = {name: cache.source_fingerprint(member) for name, member in config.members().items()}
    made_from = cache.fingerprint(config, seed, sources)
    folder = processed / f"{config.name}-{made_from[:12]}"
    with cache.writing(processed), cache.lock(processed / f".{folder.name}.lock"):
        if found := _find(folder):
            return Prepared(folder, found, config, reused=True)
        from medft.data import pipeline  # which those that only read a data set, or its settings, never need

        with atomic_folder(folder) as aside:
            ledger = pipeline.make(config, seed, sources, aside, progress)
            write_json(aside / LEDGER, ledger.to_json())
    return Prepared(folder, ledger, config, reused=False)


def _find(folder: Path) -> Ledger | None:
    """The ledger of a folder that is there and whole, else None."""
    try:
        ledger = Ledger.from_json(read_json(folder / LEDGER))
        whole = all(count_records(folder / f"{n}.parquet") == ledger.kept()[n] for n in SPLITS)
    except (MedftError, OSError, ValueError):
        return None
    return ledger if whole else None
