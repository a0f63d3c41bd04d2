"""The merge of a run: its adapter into its base, judged on its own held-out rows.

Chooses the rows that the judgement asks, and shapes the record that summary.json keeps under ``merge``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medft.aliases import Advance
from medft.merge.answers import Row
from medft.merge.inputs import Inputs
from medft.merge.logits import Questions
from medft.merge.merge import merge
from medft.prompt.encoded import IGNORE
from medft.runs import RunDir

ASKED = 32
"""Held-out rows that the judgement may read: enough for a loss, few enough for a CPU."""
TRIED = 4
"""Validation rows that choose the rounding; each tells of some twenty positions."""
ROW_TOKENS, ANSWER_TOKENS = 256, 64
"""Rows are cut to so many tokens, of which at least so many are of the answer."""


def merge_run(
    run: RunDir, inputs: Inputs, splits: Mapping[str, Path], max_shard_bytes: int, advance: Advance
) -> dict[str, Any]:
    """Write and judge ``run.merged``.

    Args:
        run: has an adapter.
        inputs: that adapter, and what it is merged into.
        splits: encoded splits (Arrow files) by name, the best first; the first with rows is asked.
        max_shard_bytes: largest weights file.
        advance: called for each row that a model has read.

    Returns:
        Plain values: the fields of the merge's report and of the judgement.

    Raises:
        MergeError: it failed, or did not pass; nothing is then called merged.
    """
    merged, judged = merge(inputs, run.merged, questions(splits), max_shard_bytes, advance)
    times = {"seconds": merged.seconds, "verify_seconds": judged.seconds}
    plain: dict[str, Any] = json.loads(json.dumps({**asdict(merged), **asdict(judged), **times}))
    return plain


def questions(splits: Mapping[str, Path]) -> Questions:
    """Up to ``ASKED`` rows of the first split that has any, to judge; and where these are no validation rows,
    ``TRIED`` of those to choose the rounding, and up to ``ASKED`` to choose the base."""
    taken = {name: _rows(path) for name, path in splits.items()}
    judge = next((name for name, rows in taken.items() if rows), "")
    choice = taken.get("validation", []) if judge != "validation" else []
    return Questions(taken.get(judge, []), judge, choice[:TRIED], choice)


def _rows(path: Path) -> list[Row]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            if batch.num_rows:
                columns = batch.slice(0, ASKED).to_pydict()
                rows = zip(columns["input_ids"], columns["labels"], strict=True)
                return [_beginning(ids, labels) for ids, labels in rows]
    return []


def _beginning(ids: list[int], labels: list[int]) -> Row:
    """As much of a row as tells what rounding does: the prompt, and the beginning of a long answer."""
    prompt = next((at for at, label in enumerate(labels) if label != IGNORE), len(labels))
    end = max(ROW_TOKENS, prompt + ANSWER_TOKENS)
    return ids[:end], labels[:end]
