"""Hub data sets, read from a real server on loopback by the real client."""

import pytest

from medft.data.config import DatasetConfig
from medft.errors import DataError, HubError, MedftError
from tests.data.support import dataset, lines, prepared, qa


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
    with pytest.raises(HubError, match="not cached") as error:
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
