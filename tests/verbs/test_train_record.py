"""What a training writes down of the data it reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from medft.compose import settings
from medft.config import build
from medft.runs.record import RunRecord
from medft.verbs import train
from medft.verbs.train_config import TrainConfig
from tests.data.conftest import dataset_hub
from tests.data.support import lines, qa
from tests.support.hub_client import client, hub
from tests.support.hub_server import Hub

__all__ = ["client", "dataset_hub", "hub"]  # fixtures


def test_a_runs_settings_name_the_commit_of_its_data(
    tmp_path: Path, dataset_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = dataset_hub.store.add("ward/qa", {"train.jsonl": lines(qa(40))}, kind="dataset")
    places = [f"artifacts={tmp_path / 'artifacts'}", f"processed={tmp_path / 'processed'}"]
    asked = ["dataset.reader=hub", "dataset.repo=ward/qa", "dataset.revision=main"]
    written: list[Mapping[str, Any]] = []
    monkeypatch.setattr(
        train, "_run", lambda *given: written.append(RunRecord(given[0].folder).settings) or 0
    )
    train.run(settings("train", ["model=mistral", "scale=tiny", "dataset=jsonl", *asked, *places]))
    assert build(TrainConfig, written[0]).dataset.revision == repo.head.sha
