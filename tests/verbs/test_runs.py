from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medft.config import build
from medft.errors import ConfigError
from medft.verbs import runs
from tests.support.runs import make_run


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    make_run(tmp_path / "runs" / "gemma-tiny-sample-medical_qa" / "20261120-101500", model="gemma", steps=60)
    make_run(tmp_path / "runs" / "mistral-tiny-medquad-medical_qa" / "20261122-101500", dataset="medquad")
    make_run(tmp_path / "sweeps" / "20261121-090000" / "10", finished=False, steps=7)
    make_run(tmp_path / "sweeps" / "20261121-090000" / "9")
    return tmp_path


def listed(artifacts: Path, capsys: pytest.CaptureFixture[str], **settings: Any) -> str:
    runs.run(build(runs.RunsConfig, {"artifacts": str(artifacts), **settings}))
    return capsys.readouterr().out


def as_json(artifacts: Path, capsys: pytest.CaptureFixture[str], **settings: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(listed(artifacts, capsys, format="json", **settings))
    return found


def test_newest_first_sweeps_by_their_own_stamp(artifacts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["run"] for row in as_json(artifacts, capsys)] == [
        "20261122-101500", "20261121-090000/10", "20261121-090000/9", "20261120-101500",
    ]  # fmt: skip


def test_an_unfinished_run_shows_how_far_it_came(artifacts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [row] = as_json(artifacts, capsys, state="killed")
    assert row["steps"] == 7 and row["validation_loss"] > 0 and row["seconds"] == pytest.approx(2.8)


def test_filters(artifacts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["model"] for row in as_json(artifacts, capsys, models="gem*")] == ["gemma"]
    assert [row["dataset"] for row in as_json(artifacts, capsys, datasets="medquad")] == ["medquad"]
    assert as_json(artifacts, capsys, templates="other") == []
    assert "none of 4 runs" in listed(artifacts, capsys, models="other")
    assert "2 of 4 runs" in listed(artifacts, capsys, limit=2)
    with pytest.raises(ConfigError, match="limit"):
        build(runs.RunsConfig, {"limit": 0})


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits(
    artifacts: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = listed(artifacts, capsys).splitlines()
    assert max(map(len, lines)) <= width
    second = [line for line in lines[1:] if line.startswith("2026")][1]  # a long name takes two lines
    assert "20261121-090000/10" in second and "killed" in second
    for word in ("state", "model", "data", "steps", "val loss", "bits/byte", "disk"):
        assert word in lines[0]
    assert ("time" in lines[0]) is (width == 120) and ("format=json" in lines[-1]) is (width == 80)


def test_a_damaged_folder_does_not_hide_the_others(
    artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [newest] = (artifacts / "runs").glob("mistral*/*")
    (newest / "config.yaml").write_text("a: [")
    rows = as_json(artifacts, capsys)
    assert [row["state"] for row in rows][:2] == ["unreadable", "killed"]
    assert (
        rows[0]["problem"] == "config.yaml is damaged: while parsing a flow node" and not rows[1]["problem"]
    )
    assert f"{newest.name}: config.yaml is damaged" in listed(artifacts, capsys)


def test_a_folder_of_a_newer_medft_is_listed_and_the_others_too(
    artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [newest] = (artifacts / "runs").glob("mistral*/*")
    (newest / "environment.json").write_text('{"format": 99}')
    said = listed(artifacts, capsys)
    assert f"{newest.name}: the run folder has format 99" in said
    assert "killed" in said and "finished" in said


def test_no_runs_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "medft train" in listed(tmp_path, capsys)
    assert as_json(tmp_path, capsys) == []
