"""Which commit of a hub data set is read, on a real server on loopback."""

import json
import shutil

import pytest

from medft.data.config import DatasetConfig
from medft.data.readers.hub import _builder
from medft.errors import DataError, HubError
from tests.data.support import dataset, lines, prepared, qa


def config(**settings) -> DatasetConfig:
    return dataset("hub", repo="ward/qa", **settings)


def test_the_commit_of_a_branch_is_written_down_and_a_moved_branch_needs_a_word(dataset_hub, tmp_path):
    repo = dataset_hub.store.add("ward/qa", {"train.jsonl": lines(qa(20))}, kind="dataset")
    first = repo.head.sha
    done = prepared(config(), tmp_path)
    assert done.ledger.sources[0].fingerprint == done.config.revision == first
    assert json.loads((tmp_path / "processed" / "hub.json").read_text()) == {"ward/qa@main": first}
    repo.commit({"train.jsonl": lines(qa(30))}, frozenset())
    _builder.cache_clear()
    for moved in (config(), config(revision="main")):
        with pytest.raises(DataError, match="has changed on the hub") as error:
            prepared(moved, tmp_path)
        assert f"was commit {first}, now it is {repo.head.sha}" in error.value.where
    assert f"dataset.revision={first} keeps" in error.value.remedy
    assert prepared(config(revision=first), tmp_path).ledger.rows_in == 20
    assert prepared(config(revision=repo.head.sha), tmp_path).ledger.rows_in == 30
    mixture = DatasetConfig(name="mix", sources={"ward": config()})
    with pytest.raises(DataError) as error:
        prepared(mixture, tmp_path)
    assert "dataset.sources.ward.revision=" in error.value.remedy


def test_without_the_hub_a_cached_copy_is_read_when_it_is_of_the_commit(dataset_hub, tmp_path, monkeypatch):
    repo = dataset_hub.store.add("ward/qa", {"train.jsonl": lines(qa(20))}, kind="dataset")
    first = repo.head.sha
    prepared(config(), tmp_path)
    repo.commit({"train.jsonl": lines(qa(30))}, frozenset())
    dataset_hub.fail(r".*", 0, times=1000)
    _builder.cache_clear()
    assert prepared(config(), tmp_path).reused, "the commit is that of the cached copy"
    assert prepared(config(revision=first, name="again"), tmp_path).ledger.rows_in == 20
    with pytest.raises(HubError, match="cannot be reached") as error:
        prepared(config(revision=repo.head.sha), tmp_path)
    assert repo.head.sha in error.value.where, "the cached rows of another commit are not taken for it"
    shutil.rmtree(tmp_path / "datasets")
    _builder.cache_clear()
    assert prepared(config(), tmp_path).reused, "prepared rows of the remembered commit need no copy"
    with pytest.raises(HubError, match="cannot be reached"):
        prepared(config(name="third"), tmp_path)


def test_what_is_pinned_and_prepared_asks_the_hub_nothing(dataset_hub, tmp_path):
    repo = dataset_hub.store.add("ward/qa", {"train.jsonl": lines(qa(20))}, kind="dataset")
    prepared(config(revision=repo.head.sha), tmp_path)
    _builder.cache_clear()
    dataset_hub.requests.clear()
    assert prepared(config(revision=repo.head.sha), tmp_path).reused
    assert dataset_hub.requests == []
