"""A training that sends its weights to a hub: refused before step 1, or sent when it has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medft.compose import settings
from medft.errors import ConfigError, HubError, RunError
from medft.screen import Screen
from medft.verbs import train, train_upload
from medft.verbs.train_config import UploadTarget
from tests.support.hub_client import READ_TOKEN, WRITE_TOKEN, Client, client, hub
from tests.support.hub_server import Hub
from tests.support.run_folder import make_run

__all__ = ["client", "hub"]  # fixtures


def config(tmp_path: Path, *overrides: str) -> Any:
    places = (f"artifacts={tmp_path / 'artifacts'}", f"processed={tmp_path / 'processed'}")
    return settings("train", ["model=mistral", "upload.repo=ward/net", *places, *overrides])


@pytest.mark.parametrize(
    ("token", "repo", "reason"),
    [
        (None, "ward/net", "no hub token"),
        (READ_TOKEN, "guest/net", "read-only token"),
        (WRITE_TOKEN, "someone/net", "cannot write to 'someone'"),
        (WRITE_TOKEN, "no-owner", "not a hub id"),
    ],
)
def test_what_the_hub_would_refuse_in_the_end_is_refused_at_the_beginning(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch, token: str | None, repo: str, reason: str
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    begun = make_run(tmp_path / "artifacts")
    begun.summary.unlink()
    with pytest.raises((HubError, ConfigError), match=reason) as error:
        train_upload.demand(UploadTarget(repo), begun)
    assert str(token) not in str(error.value)


def test_a_good_target_is_asked_for_and_nothing_is_made(
    tmp_path: Path, hub: Hub, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    begun = make_run(tmp_path / "artifacts")
    begun.summary.unlink()
    train_upload.demand(UploadTarget("ward/net", "both"), begun)
    assert hub.count("GET /api/models/ward/net") == 2 and not hub.store.repos
    train_upload.demand(UploadTarget(), begun)  # nowhere: nothing to ask


def test_a_tiny_twin_is_refused_before_anything_is_loaded(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "_run", lambda *_: pytest.fail("the training began"))
    run_dir = tmp_path / "artifacts" / "mine"
    with pytest.raises(RunError, match="never uploaded"):
        train.run(config(tmp_path, "scale=tiny", f"run_dir={run_dir}", "dataset.limit=40"))
    assert not run_dir.exists()


def test_a_finished_run_is_sent(
    tmp_path: Path, hub: Hub, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    train_upload.send(config(tmp_path).upload, make_run(tmp_path / "artifacts"), Screen())
    sent = hub.store.repos["model", "ward/net"]
    assert sent.private and "adapter_model.safetensors" in sent.head.files


def test_a_broken_upload_says_that_the_run_has_finished_and_how_to_send_it(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", READ_TOKEN)
    run = make_run(tmp_path / "artifacts")
    with pytest.raises(HubError, match="the run finished, but its upload did not") as error:
        train_upload.send(config(tmp_path, "upload.private=false").upload, run, Screen())
    assert f"medft upload run={run.root} repo=ward/net what=adapter private=false" in error.value.remedy


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["merge=false", "upload.what=both"], "needs merged weights"),
        (["sweep.folder=artifacts/sweeps/x"], "would go to one repository"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, overrides: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        config(tmp_path, *overrides)
