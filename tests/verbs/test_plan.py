"""medft plan, as a user meets it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft.cli import main
from medft.models.tiny import Twin
from medft.verbs.steps import encode


@pytest.fixture
def workplace(tmp_path: Path, twins: Callable[[Any], Twin], monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "tiny").symlink_to(twins("mistral").root.parent)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_says_what_would_run_and_runs_nothing(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "model=mistral", "trainer.optimizer=paged_adamw_32bit"]) == 0
    out = capsys.readouterr().out
    for expected in (
        "mistral-tiny x sample x medical_qa",
        "engine  transformers",
        "plan    60 steps x 8 rows, ",
        "adamw_torch: paging needs a GPU",
        "padding (trainer=fast has less)",
        "memory  ",
        "disk    ",
        "time    unknown until this model has run here once",
    ):
        assert expected in out
    assert not (workplace / "artifacts" / "runs").exists()


def test_what_libraries_say_goes_to_a_file(
    workplace: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def noisy(*given: Any) -> Any:
        os.write(2, b"Loading weights...\n")
        return encode(*given)

    monkeypatch.setattr("medft.verbs.plan.encode", noisy)
    assert main(["plan", "model=mistral"]) == 0
    assert "Loading weights" not in "".join(capfd.readouterr())
    assert "Loading weights" in (workplace / "artifacts" / "plan.log").read_text()


def test_what_cannot_fit_is_said_and_is_the_exit_code(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medft.plan.plan.free_bytes", lambda folder: 1000)
    assert main(["plan", "model=mistral"]) == 1
    assert "notice  the run writes" in capsys.readouterr().out


def test_it_refuses_what_a_training_refuses(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "model=mistral", "engine=unsloth"]) == 1
    assert "no CUDA GPU on this machine" in capsys.readouterr().err
    assert main(["plan", "trainer.learning_rat=1"]) == 2
    assert "trainer.learning_rate" in capsys.readouterr().err
