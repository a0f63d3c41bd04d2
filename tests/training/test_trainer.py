"""What the trainer adds up, on several devices that share a last batch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest


def batch(joined: bool) -> dict[str, Any]:
    """Three rows of two trained tokens each."""
    import torch

    labels = torch.tensor([[5, 6], [7, 8], [9, 10]])
    if not joined:
        return {"labels": labels, "answer_bytes": torch.ones_like(labels)}
    return {
        "labels": labels.reshape(1, 6),
        "answer_bytes": torch.ones(1, 6, dtype=torch.long),
        "position_ids": torch.tensor([[0, 1, 0, 1, 0, 1]]),
    }


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize(
    ("remainder", "index", "training", "counted"),
    [
        (4, 0, False, 3),  # of two devices' six rows four are real: all of the first's ...
        (4, 1, False, 1),  # ... and one of the second's
        (2, 1, False, 0),
        (0, 1, False, 3),  # the last batches were full
        (4, 1, True, 3),  # in training a repeated row is trained on, and counts
    ],
)
def test_a_row_that_fills_up_the_last_validation_batch_is_not_counted_twice(
    joined: bool, remainder: int, index: int, training: bool, counted: int
) -> None:
    from medft.training.trainer import Trainer

    state = SimpleNamespace(end_of_dataloader=True, remainder=remainder)
    accelerator = SimpleNamespace(gradient_state=state, num_processes=2, process_index=index)
    trainer: Any = SimpleNamespace(accelerator=accelerator)
    given = batch(joined)
    found, any_counted = Trainer._without_repeats(trainer, SimpleNamespace(training=training), dict(given))
    trained = found["labels"].flatten() != -100
    assert trained.tolist() == [True] * 2 * counted + [False] * (6 - 2 * counted)
    assert found["answer_bytes"].flatten()[~trained].sum() == 0
    assert any_counted == (counted > 0)
    assert set(found) == set(given)
