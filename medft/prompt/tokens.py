"""Records on disk -> token ids on disk, once for every combination of what matters, and then reused."""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from medft.aliases import Advance
from medft.config import plain
from medft.data.cache import code_version, digest, lock
from medft.data.record import Message, Record
from medft.errors import PromptError
from medft.files import atomic_folder, read_json, write_json
from medft.prompt.arrays import record_batch, schema
from medft.prompt.config import TemplateConfig
from medft.prompt.encode import Encoder
from medft.prompt.encoded import Labelled, Tokenized
from medft.prompt.labels import demand_offered, unoffered
from medft.prompt.template import UnwordedError, messages

_BATCH = 512


@dataclass(frozen=True, slots=True)
class EncodedSplit:
    """One split as token ids, in an Arrow stream file that ``datasets.Dataset.from_file`` can map."""

    path: Path
    """Columns input_ids, labels, answer_bytes (lists of equal length), length, and record: the place of the
    record among those of the split."""
    rows: int
    """Rows that can be trained on."""
    tokens: int
    """Token ids in them."""
    loss_tokens: int
    """Tokens that carry loss."""
    answer_bytes: int
    """UTF-8 bytes of the answers kept."""
    longest: int
    """Tokens of the longest row."""
    lengths: tuple[int, ...]
    """Deciles 0..10 of the row lengths."""
    problems: dict[str, int]
    """Rows cut or dropped, by reason; dropped ones are not among ``rows``."""


def encode_split(
    records: Iterable[Record],
    template: TemplateConfig,
    encoder: Encoder,
    path: Path,
    too_long: Literal["truncate", "drop"],
    advance: Advance = lambda rows: None,
) -> EncodedSplit:
    """Encode ``records`` in batches into ``path``, in bounded memory; rows that ``template`` cannot word are
    left out and counted.

    Raises:
        PromptError: no wording for a task, or labels that the prompts do not offer.
    """
    import numpy as np
    import pyarrow as pa

    problems: Counter[str] = Counter()
    lengths = array("I")
    loss_tokens = answer_bytes = 0
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema()) as writer:
        for labelled in _ahead(encoder, records, template, problems, advance):
            problems.update(row.problem for _, row in labelled if row.problem)
            kept = [each for each in labelled if each[1].ids and not (each[1].problem and too_long == "drop")]
            places, rows = [place for place, _ in kept], [row for _, row in kept]
            lengths.extend(len(row.ids) for row in rows)
            loss_tokens += sum(max(a.end - a.start, 0) for row in rows for a in row.answers)
            answer_bytes += sum(a.size for row in rows for a in row.answers)
            writer.write_batch(record_batch(rows, places))
    deciles = np.percentile(lengths, range(0, 101, 10)).astype(int).tolist() if lengths else []
    return EncodedSplit(
        path, len(lengths), sum(lengths), loss_tokens, answer_bytes, max(lengths, default=0), tuple(deciles),
        dict(problems),
    )  # fmt: skip


def _ahead(
    encoder: Encoder,
    records: Iterable[Record],
    template: TemplateConfig,
    problems: Counter[str],
    advance: Advance,
) -> Iterator[list[tuple[int, Labelled]]]:
    """Batches of encoded rows with the places of their records; while one is dealt with here, the tokenizer
    is at work on the next."""
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[Tokenized] | None = None
        places: list[int] = []
        rows = 0
        for batch in _batches(enumerate(records), _BATCH):
            worded = list(_worded(batch, template, problems))
            following = pool.submit(encoder.tokenize, [conversation for _, conversation in worded])
            if waiting:
                yield list(zip(places, encoder.label(waiting.result()), strict=True))
                advance(rows)
            waiting, rows, places = following, len(batch), [place for place, _ in worded]
        if waiting:
            yield list(zip(places, encoder.label(waiting.result()), strict=True))
            advance(rows)


def _worded(
    batch: Sequence[tuple[int, Record]], template: TemplateConfig, problems: Counter[str]
) -> Iterator[tuple[int, tuple[Message, ...]]]:
    """The conversations of the rows that the template can word; the others are counted by reason."""
    missing: Counter[str] = Counter()
    for place, record in batch:
        try:
            conversation = messages(record, template)
        except UnwordedError as error:
            problems[f"cannot be filled into the template: {error.what}"] += 1
            continue
        missing.update(filter(None, [unoffered(record, template)]))
        yield place, conversation
    demand_offered(missing, template)


def encode_splits(
    splits: dict[str, Callable[[], Iterator[Record]]],
    template: TemplateConfig,
    encoder: Encoder,
    too_long: Literal["truncate", "drop"],
    *,
    cache: Path,
    fingerprint: str,
    advance: Advance = lambda rows: None,
) -> dict[str, EncodedSplit]:
    """Encode every split, or find it encoded already.

    Args:
        splits: per split, a function that iterates over its records.
        template: the wording.
        encoder: the tokenizer at work.
        too_long: whether a row over max_length is cut or dropped.
        cache: folder in which encoded splits are kept, by content.
        fingerprint: of the records and the tokenizer; wording, stop tokens, length and the code of this
            package are added here.
        advance: called with the number of rows done since the last call.

    Raises:
        PromptError: no training row keeps an answer token.
    """
    made_from = [fingerprint, plain(template.tasks), sorted(encoder.stop_ids), encoder.max_length, too_long]
    folder = cache / digest([*made_from, code_version(Path(__file__).parent)])[:16]
    with lock(cache / f".{folder.name}.lock"):  # of processes that ask at once, one encodes
        if not (folder / "splits.json").is_file():
            _encode(splits, template, encoder, too_long, folder, advance)
    stored = read_json(folder / "splits.json")
    encoded = {
        name: EncodedSplit(**{**values, "path": folder / values["path"], "lengths": tuple(values["lengths"])})
        for name, values in stored.items()
    }
    _demand_rows(encoded["train"], encoder.max_length)
    return encoded


def _encode(
    splits: dict[str, Callable[[], Iterator[Record]]],
    template: TemplateConfig,
    encoder: Encoder,
    too_long: Literal["truncate", "drop"],
    folder: Path,
    advance: Advance,
) -> None:
    with atomic_folder(folder) as aside:
        found = {
            name: encode_split(records(), template, encoder, aside / f"{name}.arrow", too_long, advance)
            for name, records in splits.items()
        }
        write_json(aside / "splits.json", {k: {**asdict(v), "path": v.path.name} for k, v in found.items()})


def _demand_rows(train: EncodedSplit, max_length: int) -> None:
    if train.rows:
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in train.problems.items()) or "no rows"
    raise PromptError(
        f"no training row has an answer token left at max_length={max_length}",
        where=reasons,
        remedy="raise trainer.max_length (2048 is usual), or shorten the template",
    )


def _batches(records: Iterable[tuple[int, Record]], size: int) -> Iterator[list[tuple[int, Record]]]:
    iterator = iter(records)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
