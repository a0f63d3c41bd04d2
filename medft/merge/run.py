"""The merge of a run: its adapter into its base, judged on its own held-out rows.

Chooses the rows that the judgement asks, and shapes the record that summary.json keeps under ``merge``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medft.merge.inputs import Inputs
from medft.merge.logits import Questions
from medft.merge.merge import merge
from medft.prompt.encoded import IGNORE
from medft.runs import RunDir

ASKED = 32
"""Held-out rows that the judgement reads: enough for a loss, few enough for a CPU."""


def merge_run(
    run: RunDir,
    base: Path,
    trained_on: Path | None,
    rows: Iterable[Path],
    *,
    stop_ids: Sequence[int],
    max_shard_bytes: int,
) -> dict[str, Any]:
    """Write and judge ``run.merged``.

    Args:
        run: has an adapter.
        base: the 16-bit base.
        trained_on: the 4-bit base that the adapter was trained on; None when it was ``base``.
        rows: encoded splits (Arrow files), the best first; the first with rows is asked.
        stop_ids: ids that must end a generation.
        max_shard_bytes: largest weights file.

    Returns:
        Plain values: the fields of the merge's report and of the judgement.

    Raises:
        MergeError: it failed, or did not pass; nothing is then called merged.
    """
    inputs = Inputs(base, run.adapter, tuple(stop_ids), trained_on)
    merged, judged = merge(inputs, run.merged, questions(rows), max_shard_bytes)
    times = {"seconds": merged.seconds, "verify_seconds": judged.seconds}
    plain: dict[str, Any] = json.loads(json.dumps({**asdict(merged), **asdict(judged), **times}))
    return plain


def questions(rows: Iterable[Path]) -> Questions:
    """Up to ``ASKED`` rows of the first file that has any: their prompts, and the rows with their labels."""
    for path in rows:
        taken = _rows(path)
        if taken:
            prompts = [ids[: _prompt_length(labels)] for ids, labels in taken]
            return Questions(prompts, taken)
    return Questions([], [])


def _rows(path: Path) -> list[tuple[list[int], list[int]]]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            if batch.num_rows:
                columns = batch.slice(0, ASKED).to_pydict()
                return list(zip(columns["input_ids"], columns["labels"], strict=True))
    return []


def _prompt_length(labels: Sequence[int]) -> int:
    return next(i for i, label in enumerate(labels) if label != IGNORE)
