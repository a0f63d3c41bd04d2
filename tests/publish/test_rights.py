"""Token and rights, asked of the hub before a byte is sent."""

from __future__ import annotations

import pytest

from medft.errors import HubError
from medft.publish.rights import check_rights
from tests.support.hub_client import READ_TOKEN, WRITE_TOKEN, Client
from tests.support.hub_server import Hub


@pytest.fixture(autouse=True)
def logged_in(client: Client, naps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)


def ask(repo: str = "ward/net", private: bool = True) -> None:
    check_rights([repo], private)


def test_good_rights(hub: Hub) -> None:
    ask()
    hub.store.add("ward/net", {}, private=True)
    ask()
    assert hub.count("POST|PUT") == 0


@pytest.mark.parametrize(
    ("token", "repo", "says"),
    [
        (None, "ward/net", "no hub token"),
        ("hf_wrong", "ward/net", "refused|private"),
        (READ_TOKEN, "guest/net", "read-only token"),
        (WRITE_TOKEN, "other/net", "belongs to 'ward' and cannot write to 'other'"),
        ("hf_ünïcode", "ward/net", "invalid characters"),
        ("two words", "ward/net", "invalid characters"),
    ],
)
def test_bad_rights(
    hub: Hub, client: Client, monkeypatch: pytest.MonkeyPatch, token: str | None, repo: str, says: str
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(HubError, match=says) as caught:
        ask(repo)
    assert caught.value.remedy
    assert not token or token not in str(caught.value)
    assert hub.count("POST|PUT") == 0


def test_a_public_repository_is_not_private(hub: Hub) -> None:
    hub.store.add("ward/net", {})
    with pytest.raises(HubError, match="is public"):
        ask()
    ask(private=False)


def test_write_access_to_an_existing_repository_is_asked(hub: Hub) -> None:
    hub.store.add("ward/net", {}, private=True)
    hub.fail("GET .*/auth-check/write", 403)
    with pytest.raises(HubError, match="refused access"):
        ask()


def test_offline(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="turned off"):
        ask()
