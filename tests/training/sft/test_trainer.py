"""What the trainer adds up, on several devices that share a last batch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest


def batch(joined: bool) -> dict[str, Any]:
    """Three rows of two trained tokens each, one of padding after the last."""
    import torch

    columns = {
        "labels": [[5, 6, -100], [7, 8, -100], [9, 10, -100]],
        "answer_bytes": [[1, 1, -1]] * 3,
        "row": [[0, 0, -1], [1, 1, -1], [2, 2, -1]],
    }
    made = {name: torch.tensor(values) for name, values in columns.items()}
    return {name: column.reshape(1, -1) for name, column in made.items()} if joined else made


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize(
    ("remainder", "index", "counted"),
    [
        (4, 0, 3),  # of two devices' six rows four are real: all of the first's ...
        (4, 1, 1),  # ... and one of the second's
        (2, 1, 0),
        (0, 1, 3),  # the last batches were full
    ],
)
def test_a_row_that_fills_up_the_last_batch_is_not_counted_twice(
    joined: bool, remainder: int, index: int, counted: int
) -> None:
    from medft.training.sft.trainer import AnswerTrainer

    state = SimpleNamespace(end_of_dataloader=True)
    accelerator = SimpleNamespace(gradient_state=state, num_processes=2, process_index=index)
    trainer: Any = SimpleNamespace(accelerator=accelerator)
    found = AnswerTrainer._without_repeats(trainer, batch(joined), remainder)
    assert int((found["labels"] != -100).sum()) == 2 * counted
    assert int((found["row"] >= 0).sum()) == 2 * counted
    assert int(found["answer_bytes"].clamp(min=0).sum()) == 2 * counted
