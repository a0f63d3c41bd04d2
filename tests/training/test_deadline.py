"""A training that is late ends after its step; one that is not, or has had its last step, is left alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest


@pytest.mark.parametrize(("minutes", "step", "ends"), [(0.0, 3, True), (0.0, 10, False), (60.0, 3, False)])
def test_it_ends_after_the_step_in_which_its_time_is_up(minutes: float, step: int, ends: bool) -> None:
    from transformers import TrainerControl

    from medft.training.deadline import Deadline

    deadline, control = Deadline(minutes), TrainerControl()
    deadline.on_train_begin()
    deadline.on_step_end(None, SimpleNamespace(global_step=step, max_steps=10), control)
    asked = (control.should_evaluate, control.should_save, control.should_training_stop)
    assert asked == (ends,) * 3 and deadline.passed == ends
