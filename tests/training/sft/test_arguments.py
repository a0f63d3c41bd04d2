"""The arguments that transformers gets, on machines that are not at hand."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize("seen", [0, 1, 2, 8])
def test_one_process_trains_on_one_gpu_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seen: int
) -> None:
    import torch

    from medft.training.config import TrainerConfig
    from medft.training.schedule import schedule
    from medft.training.sft.arguments import Compute, sft_config

    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    config = TrainerConfig(per_device_batch_size=2, per_device_eval_batch_size=4, max_steps=1)
    found = sft_config(
        config,
        schedule(config, 8),
        Compute("float32", "off", "nll", cuda=True),
        folder=tmp_path,
        seed=1,
        validate=False,
        validate_first=False,
    )
    assert (found.train_batch_size, found.eval_batch_size) == (2, 4)
    assert found.n_gpu <= 1, "DataParallel"
