"""What is read on the screen of a training."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft.compose import settings
from medft.engine import compat
from medft.screen import Screen
from medft.verbs.lines import announce
from tests.data.support import dataset, jsonl, prepared, qa
from tests.plan.support import resolved


def test_versions_that_were_never_tested_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", qa(20))), tmp_path)
    how = resolved(reasons={"engine": "because", "scale": "because"})
    announce(Screen(), settings("train", []), how, rows)
    assert "tested with" not in capsys.readouterr().out
    monkeypatch.setitem(compat.TESTED, "peft", "<0.1")
    announce(Screen(), settings("train", []), how, rows)
    assert "tested with <0.1" in capsys.readouterr().out
