from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from medft.config import build
from medft.errors import DataError, RunError
from medft.report.comparison.selection import select
from medft.verbs import compare
from tests.support.runs import make_run

FILES = {f"comparison.{suffix}" for suffix in ("png", "svg", "csv", "md", "html")}


def run(artifacts: Path, **settings: Any) -> Path:
    before = set((artifacts / "compare").glob("*"))
    compare.run(build(compare.CompareConfig, {"artifacts": str(artifacts), **settings}))
    [made] = set((artifacts / "compare").glob("*")) - before
    return made


def test_every_finished_run_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for model in ("gemma", "mistral"):
        make_run(tmp_path / "runs" / f"{model}-tiny-sample-medical_qa" / "20261120-101500", model=model)
    make_run(tmp_path / "runs" / "llama2-tiny-sample-medical_qa" / "20261120-101500", finished=False)
    folder = run(tmp_path)
    assert {path.name for path in folder.iterdir()} == FILES
    with (folder / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == {"gemma", "mistral"}
    assert rows[0]["data_fingerprint"] == "data of sample" and float(rows[0]["bits_per_byte"]) > 0
    assert set(rows[0]) >= {"settings.model.name", "settings.model.license"}
    said = capsys.readouterr().out
    assert "gemma" in said and "comparison.html" in said


def test_hostile_names_are_text_in_every_file(tmp_path: Path) -> None:
    bad = "=1+1|<img src=x onerror=alert(1)>$x$"
    make_run(tmp_path / "runs" / "a" / "1", model=bad)
    make_run(tmp_path / "runs" / "b" / "2", model="gemma")
    folder = run(tmp_path)
    html = (folder / "comparison.html").read_text()
    assert "<img src=x" not in html and "&lt;img src=x" in html
    markdown = (folder / "comparison.md").read_text()
    assert "<img" not in markdown and "\\|&lt;img" in markdown
    with (folder / "comparison.csv").open() as file:
        assert "'" + bad in [row["model"] for row in csv.DictReader(file)]


def test_names_that_are_no_text_stop_no_comparison(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    run_folder = tmp_path / "runs" / "a"
    make_run(run_folder / "1", model="\x1b[31mred\nline")
    make_run(run_folder / "2", model="gemma")
    (run_folder / "1").rename(os.fsdecode(bytes(run_folder) + b"/\xff\xfe"))
    values = json.loads((run_folder / "2" / "summary.json").read_text())
    huge = {**values, "bits_per_byte": 1e308, "validation_loss": float("nan")}
    (run_folder / "2" / "summary.json").write_text(json.dumps(huge))
    folder = run(tmp_path)
    assert "/a/\ufffd\ufffd" in (folder / "comparison.csv").read_text(encoding="utf-8")
    page = (folder / "comparison.md").read_text(encoding="utf-8")
    said = page + capsys.readouterr().out
    assert "\x1b" not in said and "\ufffd[31mred\ufffdline" in said and "1e+308" in page
    assert [str(w.message) for w in recwarn if "Glyph" in str(w.message)] == []


def test_words_mean_runs_sweeps_patterns_and_files(tmp_path: Path) -> None:
    for stamp in ("20261120-101500", "20261121-101500"):
        make_run(
            tmp_path / "runs" / "gemma-tiny-sample-medical_qa" / stamp, model="gemma", seed=int(stamp[7])
        )
    for job in ("0", "1"):
        make_run(tmp_path / "sweeps" / "20261122-090000" / job, settings={"trainer": {"rate": job}})
    (tmp_path / "x_loss.csv").write_text("Step,Loss\n1,2\n")

    def chosen(*words: str) -> list[str]:
        return [subject.path.name for subject in select(words, tmp_path)[0]]

    assert chosen("20261120") == ["20261120-101500"]
    assert chosen("latest", "20261120") == [max(
        (p for p in tmp_path.glob("*/*/*/summary.json")), key=lambda p: p.stat().st_mtime
    ).parent.name, "20261120-101500"]  # fmt: skip
    assert chosen("20261122-090000") == ["1", "0"]
    assert chosen(str(tmp_path / "sweeps" / "20261122-090000")) == ["1", "0"]
    assert chosen("gemma*") == ["20261121-101500", "20261120-101500"]
    assert chosen("gemma-tiny-sample-medical_qa") == ["20261121-101500", "20261120-101500"]
    assert chosen("gemma*", "20261120", str(tmp_path / "x_loss.csv")) == [
        "20261121-101500", "20261120-101500", "x_loss.csv",
    ]  # fmt: skip
    assert chosen() == ["1", "0", "20261121-101500", "20261120-101500"]


def test_what_cannot_be_read_is_said_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "runs" / "a" / "1")
    broken = make_run(tmp_path / "runs" / "a" / "2")
    broken.loss_csv.unlink()
    run(tmp_path, runs="a*")
    assert "left out a/2: there is no loss.csv" in capsys.readouterr().out
    with pytest.raises(DataError, match=r"there is no loss\.csv"):
        run(tmp_path, runs=str(broken.root))
    for words in ("nothing*", "nothing", "nothing.csv"):
        with pytest.raises((RunError, DataError)):
            run(tmp_path, runs=words)


def test_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nothing to compare"):
        run(tmp_path)
    assert not (tmp_path / "compare").exists()


@pytest.mark.skipif(
    "MEDFT_REAL_DATA" not in os.environ, reason="MEDFT_REAL_DATA names no folder of real data"
)
def test_the_published_curves_draw_as_one_figure(tmp_path: Path) -> None:
    files = sorted((Path(os.environ["MEDFT_REAL_DATA"]) / "published_curves").glob("*.csv"))
    folder = run(tmp_path, runs=[str(path) for path in files])
    text = (folder / "comparison.md").read_text()
    assert "different vocabularies cannot be ranked" in text
    assert all(name in text for name in ("gemma", "llama2", "llama3", "mistral"))
