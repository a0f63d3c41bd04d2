"""Hub data sets, read from a real server on loopback by the real client."""

import json
import shutil

import pytest

from medft.data.config import DatasetConfig
from medft.data.hub import _builder
from medft.errors import DataError, HubError, MedftError
from tests.data.support import dataset, prepared, qa


def lines(rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def config(repo: str = "ward/qa", **settings) -> DatasetConfig:
    return dataset("hub", repo=repo, **settings)


def test_rows_keep_the_split_of_the_repository(dataset_hub, tmp_path):
    files = {"train.jsonl": lines(qa(20)), "test.jsonl": lines(qa(5, start=20))}
    dataset_hub.store.add("ward/qa", files, kind="dataset")
    done = prepared(config(), tmp_path)
    assert (done.rows("train"), done.rows("validation"), done.rows("test")) == (18, 2, 5)
    assert {r.question for r in done.records("test")} == {row["question"] for row in qa(5, start=20)}
    assert prepared(config(), tmp_path).reused


def test_a_pinned_revision_is_what_is_read(dataset_hub, tmp_path):
    repo = dataset_hub.store.add("ward/qa", {"train.jsonl": lines(qa(20))}, kind="dataset")
    pinned = repo.head.sha
    repo.commit({"train.jsonl": lines(qa(30))}, frozenset())
    done = prepared(config(revision=pinned), tmp_path)
    assert (done.ledger.rows_in, done.ledger.sources[0].fingerprint) == (20, pinned)
    assert prepared(config(), tmp_path).ledger.rows_in == 30


def test_the_commit_of_a_branch_is_written_down_and_a_moved_branch_needs_a_word(dataset_hub, tmp_path):
    repo = dataset_hub.store.add("ward/qa", {"train.jsonl": lines(qa(20))}, kind="dataset")
    first = repo.head.sha
    assert prepared(config(), tmp_path).ledger.sources[0].fingerprint == first
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


@pytest.mark.parametrize(
    ("flags", "repo", "what"),
    [
        ({"gated": True}, "ward/qa", "gated"),
        ({"private": True}, "ward/qa", "private"),
        ({}, "ward/other", "no such data set"),
    ],
)
def test_a_refusal_says_what_to_do(dataset_hub, tmp_path, flags, repo, what):
    dataset_hub.store.add("ward/qa", {"train.jsonl": lines(qa(3))}, kind="dataset", **flags)
    with pytest.raises(HubError, match=what) as error:
        prepared(config(repo), tmp_path)
    assert repo in error.value.where
    assert "HF_TOKEN" in error.value.remedy


def test_an_unknown_revision_is_named(dataset_hub, tmp_path):
    dataset_hub.store.add("ward/qa", {"train.jsonl": lines(qa(3))}, kind="dataset")
    with pytest.raises(HubError) as error:
        prepared(config(revision="v9"), tmp_path)
    assert "v9" in error.value.where


def test_an_unreachable_hub_says_so(dataset_hub, client, tmp_path):
    dataset_hub.store.add("ward/qa", {"train.jsonl": lines(qa(3))}, kind="dataset")
    dataset_hub.fail(r".*", 0, times=100)
    with pytest.raises(HubError, match="cannot be reached") as error:
        prepared(config(), tmp_path)
    assert "HF_ENDPOINT" in error.value.remedy


def test_offline_without_a_cached_copy_says_so(dataset_hub, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="not in the cache") as error:
        prepared(config("ward/uncached"), tmp_path)
    assert "unset HF_HUB_OFFLINE" in error.value.remedy


def test_a_broken_file_and_a_repository_that_needs_code_are_data_errors(dataset_hub, tmp_path):
    dataset_hub.store.add("ward/broken", {"train.jsonl": b'{"question": "a'}, kind="dataset")
    dataset_hub.store.add("ward/code", {"code.py": b"raise SystemExit"}, kind="dataset")
    with pytest.raises(DataError, match="cannot be read"):
        prepared(config("ward/broken"), tmp_path)
    with pytest.raises(MedftError):
        prepared(config("ward/code"), tmp_path)


def test_a_hub_data_set_without_a_repo_says_which_setting_is_missing(tmp_path):
    with pytest.raises(DataError) as error:
        prepared(dataset("hub"), tmp_path)
    assert "dataset.repo=" in error.value.remedy
