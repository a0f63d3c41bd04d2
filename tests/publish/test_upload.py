"""The real huggingface_hub client against a small real hub: what arrives, and what its faults lead to."""

from __future__ import annotations

import builtins
import hashlib
import logging
import shutil
import traceback
from pathlib import Path
from typing import Any

import pytest

from medft.errors import HubError, RunError
from medft.publish import upload
from medft.publish.facts import read_facts
from medft.publish.package import Package, stage
from medft.verbs.upload import UploadConfig
from medft.verbs.upload import run as run_verb
from tests.support.hub_client import WRITE_TOKEN, Client
from tests.support.hub_server import DROP, Hub
from tests.support.run_folder import make_run

SHARDS = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]


@pytest.fixture
def package(tmp_path: Path, client: Client, naps: list[float], monkeypatch: pytest.MonkeyPatch) -> Package:
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    run = make_run(tmp_path / "artifacts")
    return stage(run, read_facts(run), ("ward/net", "merged"), tmp_path / "artifacts" / "upload")


def arrived(hub: Hub, repo: str = "ward/net") -> dict[str, bytes]:
    files = dict(hub.store.repos["model", repo].head.files)
    files.pop(".gitattributes")
    return files


def staged(package: Package) -> dict[str, bytes]:
    return {name: (package.folder / name).read_bytes() for name, _ in package.files}


def test_everything_arrives_in_one_commit_in_a_private_repository(hub: Hub, package: Package) -> None:
    address = upload.send(package, private=True)
    repo = hub.store.repos["model", "ward/net"]
    assert arrived(hub) == staged(package)
    assert repo.private
    assert len(repo.commits) == 2
    assert address == f"{hub.url}/ward/net/commit/{repo.head.sha}"


def test_repeating_sends_no_file_again(hub: Hub, package: Package) -> None:
    upload.send(package, private=True)
    upload.send(package, private=True)
    assert hub.count("PUT /lfs/") == 2
    assert len(hub.store.repos["model", "ward/net"].commits) == 2


@pytest.mark.parametrize("status", [500, 503, DROP])
@pytest.mark.parametrize(
    "request_",
    ["POST /api/repos/create", "POST .*/preupload/", "POST .*/objects/batch", "PUT /lfs/", "POST .*/commit/"],
)
def test_what_passes_is_tried_again(hub: Hub, package: Package, request_: str, status: int) -> None:
    hub.fail(request_, status)
    upload.send(package, private=True)
    assert arrived(hub) == staged(package)


@pytest.mark.parametrize("request_", ["GET /api/models", "POST .*/commit/"])
def test_too_many_requests_waits_as_long_as_asked(
    hub: Hub, package: Package, naps: list[float], request_: str
) -> None:
    hub.fail(request_, 429, Retry_After="17")
    told: list[str] = []
    upload.send(package, private=True, say=told.append)
    assert naps == [17.0]
    assert "17 s" in told[0]
    assert arrived(hub) == staged(package)


def test_too_many_requests_for_a_large_file(hub: Hub, package: Package, client: Client) -> None:
    hub.fail("PUT /lfs/", 429, Retry_After="17")
    upload.send(package, private=True)
    assert any(nap >= 17 for nap in client.naps)
    assert arrived(hub) == staged(package)


def test_a_wait_of_an_hour_is_an_error(hub: Hub, package: Package, naps: list[float]) -> None:
    hub.fail("POST .*/commit/", 429, Retry_After="3600")
    with pytest.raises(HubError, match="too many requests"):
        upload.send(package, private=True)
    assert naps == []


def test_a_commit_in_between_is_repeated(hub: Hub, package: Package) -> None:
    hub.fail("POST .*/commit/", 409)
    upload.send(package, private=True)
    assert arrived(hub) == staged(package)


def test_a_repository_made_by_a_lost_answer_is_used(hub: Hub, package: Package) -> None:
    hub.fail("POST /api/repos/create", 409)
    hub.store.add("ward/net", {".gitattributes": b""}, private=True)
    hub.fail("GET /api/models/ward/net", 404, X_Error_Code="RepoNotFound")
    upload.send(package, private=True)
    assert arrived(hub) == staged(package)


@pytest.mark.parametrize(("status", "says"), [(401, "refused|private"), (403, "refused access")])
@pytest.mark.parametrize(
    "request_", ["POST /api/repos/create", "POST .*/preupload/", "PUT /lfs/", "POST .*/commit/"]
)
def test_refusals(
    hub: Hub, package: Package, naps: list[float], request_: str, status: int, says: str
) -> None:
    hub.fail(request_, status, times=99)
    with pytest.raises(HubError, match=says) as caught:
        upload.send(package, private=True)
    assert naps == []
    assert WRITE_TOKEN not in str(caught.value)


@pytest.mark.parametrize("status", [500, DROP])
def test_an_interrupted_upload_continues(hub: Hub, package: Package, status: int) -> None:
    second = staged(package)[SHARDS[1]]
    put = f"PUT /lfs/{hashlib.sha256(second).hexdigest()}"
    hub.fail(put, status, times=99)
    with pytest.raises(HubError, match="upload failed") as caught:
        upload.send(package, private=True)
    assert "not sent again" in caught.value.remedy
    assert list(arrived(hub)) == []  # no half of a model in the repository
    failed = hub.count(put)
    hub.faults.clear()
    upload.send(package, private=True)
    assert arrived(hub) == staged(package)
    assert hub.count("PUT /lfs/") == failed + 2  # the first shard once, the second once more


PART = 6_000
"""Bytes; the two shards are sent in four parts each."""


@pytest.mark.parametrize("status", [None, 500, 503, DROP])
@pytest.mark.parametrize("request_", ["PUT /lfs-part/.*/2", "POST /lfs-join/", "POST /lfs-verify/"])
def test_files_of_many_gigabytes_go_in_parts(
    hub: Hub, package: Package, request_: str, status: int | None
) -> None:
    hub.part_size = PART
    if status is not None:
        hub.fail(request_, status)
    upload.send(package, private=True)
    assert arrived(hub) == staged(package)
    shard = len(staged(package)[SHARDS[0]])
    assert sorted(map(len, hub.parts.values())) == sorted(2 * [PART, PART, PART, shard - 3 * PART])
    assert hub.count("PUT /lfs/") == 0


def test_a_large_file_that_broke_off_is_sent_again_and_the_others_are_not(hub: Hub, package: Package) -> None:
    hub.part_size = PART
    second = hashlib.sha256(staged(package)[SHARDS[1]]).hexdigest()
    hub.fail(f"PUT /lfs-part/{second}/3", DROP, times=99)
    with pytest.raises(HubError, match="upload failed"):
        upload.send(package, private=True)
    assert list(arrived(hub)) == []
    hub.faults.clear()
    hub.requests.clear()
    upload.send(package, private=True)
    assert arrived(hub) == staged(package)
    assert hub.count("PUT /lfs-part/") == hub.count(f"PUT /lfs-part/{second}") == 4


@pytest.mark.parametrize("status", [401, 403])
def test_a_part_that_is_refused(hub: Hub, package: Package, naps: list[float], status: int) -> None:
    hub.part_size = PART
    hub.fail("PUT /lfs-part/", status, times=99)
    with pytest.raises(HubError, match="refused access"):
        upload.send(package, private=True)
    assert naps == []


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("XetAuthenticationError", "refused access"),
        ("ConnectionError", "cannot be reached"),
        ("RuntimeError", "upload failed"),
    ],
)
def test_what_xet_raises(
    hub: Hub, package: Package, monkeypatch: pytest.MonkeyPatch, error: str, says: str
) -> None:
    """Xet itself is not spoken here: only what becomes of its errors."""
    import hf_xet
    from huggingface_hub import _commit_api, constants

    def fail(**_: Any) -> None:
        raise (getattr(hf_xet, error, None) or getattr(builtins, error))(
            "at https://cas.example/?pass=secret"
        )

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.setattr(_commit_api, "_upload_xet_files", fail)
    with pytest.raises(HubError, match=says) as caught:
        upload.send(package, private=True)
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.remedy


def test_unreadable_answer(hub: Hub, package: Package) -> None:
    hub.pages.append("POST /api/validate-yaml")
    with pytest.raises(HubError, match="unreadable"):
        upload.send(package, private=True)


# -- the command --------------------------------------------------------------------------------------------


def config(tmp_path: Path, **changes: Any) -> UploadConfig:
    return UploadConfig(**{"repo": "ward/net", "artifacts": tmp_path / "artifacts", **changes})


def test_dry_run_writes_what_would_be_sent_and_asks_nobody(
    hub: Hub, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "artifacts")
    run_verb(config(tmp_path, dry_run=True))
    assert hub.requests == []
    folders = tmp_path / "artifacts" / "upload"
    assert sorted(path.name for path in folders.iterdir()) == ["ward--net", "ward--net-adapter"]
    shown = capsys.readouterr().out
    for path in folders.rglob("*"):
        assert path.name in shown
    assert "nothing was sent" in shown
    assert "ward/net (private)" in shown


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("what", ["adapter", "merged", "both"])
def test_the_command_sends_what_the_dry_run_wrote(
    hub: Hub, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, together: bool
) -> None:
    make_run(tmp_path / "artifacts")
    folders = tmp_path / "artifacts" / "upload"
    run_verb(config(tmp_path, what=what, together=together, dry_run=True))
    written = {
        folder.name.replace("--", "/"): {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in folders.iterdir()
    }
    shutil.rmtree(folders)
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    run_verb(config(tmp_path, what=what, together=together))
    assert {repo: arrived(hub, repo) for _, repo in hub.store.repos} == written
    assert len(written) == (2 if what == "both" and not together else 1)


def test_the_command_says_where_it_went(
    hub: Hub,
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_run(tmp_path / "artifacts")
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    run_verb(config(tmp_path))
    shown = capsys.readouterr().out
    for repo in ("ward/net", "ward/net-adapter"):
        assert f"{hub.url}/{repo}/commit/{hub.store.repos['model', repo].head.sha}" in shown


def test_both_in_one_repository(
    hub: Hub, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "artifacts")
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    run_verb(config(tmp_path, together=True))
    assert {"README.md", "adapter/adapter_model.safetensors", f"merged/{SHARDS[0]}"} <= set(arrived(hub))
    assert set(hub.store.repos) == {("model", "ward/net")}


def test_a_refused_run_reaches_no_hub(
    hub: Hub, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "artifacts", summary={"scale": "tiny"})
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    with pytest.raises(RunError, match="tiny"):
        run_verb(config(tmp_path))
    assert hub.requests == []


@pytest.mark.parametrize(
    "fault", [("PUT /lfs/", 500), ("POST .*/commit/", 403), ("POST .*/commit/", DROP), ("", 401)]
)
def test_the_token_is_nowhere(
    hub: Hub,
    client: Client,
    tmp_path: Path,
    naps: list[float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    fault: tuple[str, int],
) -> None:
    """Not on the screen, in a log at its most talkative, an error, a traceback, a file, the process list."""
    make_run(tmp_path / "artifacts")
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("huggingface_hub").propagate = True
    hub.fail(*fault, times=99)
    with pytest.raises(HubError) as caught:
        run_verb(config(tmp_path))
    shown = capsys.readouterr()
    said = [
        shown.out,
        shown.err,
        caplog.text,
        str(caught.value),
        "".join(traceback.format_exception(caught.value)),
    ]
    said += [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    said += [Path("/proc/self/cmdline").read_text()]
    assert not any(WRITE_TOKEN in text for text in said)


def test_the_pass_of_a_large_file_is_not_logged(
    hub: Hub, package: Package, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("huggingface_hub").propagate = True
    hub.fail("PUT /lfs/", 500)
    hub.signature = "?signature=secret-pass"
    upload.send(package, private=True)
    assert "PUT" in caplog.text  # the library warned
    assert "secret-pass" not in caplog.text
