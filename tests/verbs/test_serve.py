"""medft serve: the address it opens, and that it answers there."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from medft.cli import main
from tests.support.trained_run import make_run


def test_the_page_is_served_on_this_machine_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gradio = pytest.importorskip("gradio")
    run = make_run(tmp_path, "20261120-101500", 1)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Gout swells a toe.")
    seen: list[str] = []

    def stand_in(page: Any) -> None:
        with urllib.request.urlopen(page.local_url) as answer:
            seen.extend([answer.read().decode(), page.local_url])
        seen.append(page.local_url)
        assert page.server_name == "127.0.0.1"
        assert page.share is False
        assert page.analytics_enabled is False
        page.close(verbose=False)

    monkeypatch.setattr(gradio.Blocks, "block_thread", stand_in)
    code = main(["serve", f"run={run.root}", f"artifacts={tmp_path}", f"docs={tmp_path}/docs"])
    assert code == 0
    assert "medft" in seen[0]
    assert seen[1].startswith("http://127.0.0.1")


def test_a_port_that_is_taken_is_a_message(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gradio")
    run = make_run(tmp_path, "20261120-101500", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", f"run={run.root}", f"artifacts={tmp_path}", f"port={port}"]) != 0
    assert f"port {port} cannot be opened" in capfd.readouterr().err


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "no such host"])
def test_an_address_of_another_machine_is_refused_before_anything_is_loaded(
    tmp_path: Path, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gradio")
    assert main(["serve", "run=latest", f"host={host}", f"artifacts={tmp_path}"]) == 2
    assert f"host={host} is not an address of this machine" in capsys.readouterr().err


def test_without_gradio_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "medft.inference.web", raising=False)
    monkeypatch.delattr("medft.inference.web", raising=False)
    assert main(["serve", "run=latest", f"artifacts={tmp_path}"]) != 0
    assert "medft[web]" in capsys.readouterr().err
