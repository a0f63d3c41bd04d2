from pathlib import Path

import pytest

from tests.support.hub_client import Client, client, hub
from tests.support.hub_server import Hub

__all__ = ["client", "dataset_hub", "hub"]


@pytest.fixture
def dataset_hub(hub: Hub, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    """The loopback hub, for the datasets library too."""
    import datasets

    from medft.data.readers.hub import _builder

    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", hub.url)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    _builder.cache_clear()
    return hub
