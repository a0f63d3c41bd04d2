"""The page of results says what got worse as plainly as what got better, of runs as they are on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medft.runs import RunDir
from tools import results
from tools.results_page import page

SUMMARY = {
    "steps": 40, "tokens": 80_000, "tokens_per_second": 200.4, "seconds": 600.0, "peak_memory_bytes": 3.2e9,
    "base_bits_per_byte": 0.69, "bits_per_byte": 0.64, "base_test_bits_per_byte": 0.7,
    "test_bits_per_byte": 0.66, "base_file": {"file": "small.gguf"},
}  # fmt: skip


def metric(name: str, base: float, tuned: float, higher_is_better: bool) -> dict[str, Any]:
    systems = {"base": {"value": base}, "tuned": {"value": tuned}}
    change = tuned - base
    difference = {"value": change, "low": change - 0.01, "high": change + 0.01, "p": 0.001, "units": 60}
    differences = {"tuned - base": difference}
    return {"name": name, "group": "", "systems": systems, "higher_is_better": higher_is_better,
            "differences": differences}  # fmt: skip


def finished(root: Path) -> RunDir:
    run = RunDir(root)
    run.evaluation.mkdir(parents=True)
    run.summary.write_text(json.dumps(SUMMARY))
    run.environment.write_text(json.dumps({"machine": {"cpu_cores": 2, "ram_total": 24e9}}))
    found = [metric("bits per byte", 0.7, 0.66, False), metric("ROUGE-L", 0.2, 0.17, True)]
    (run.evaluation / "heldout.json").write_text(json.dumps({"suite": "heldout", "figures": found}))
    return run


def test_every_seed_every_verdict_and_both_answers_are_there(tmp_path: Path) -> None:
    runs = [finished(tmp_path / f"seed-{seed}") for seed in (1, 2)]
    asked = [[{"question": "What is it?", "answer": answer, "stopped": stopped}]
             for answer, stopped in (("A thing.", True), ("A longer\nthing", False))]  # fmt: skip
    text = page(runs, asked, "minutes=3")
    assert 'Made by `make results ARGS="minutes=3"`' in text and "2 cores of" in text
    assert "* Better: bits per byte (2 of 2 seeds)." in text
    assert "* Worse: ROUGE-L (2 of 2 seeds)." in text
    assert "| ROUGE-L | seed-2 | 0.200 | 0.170 | worse (-0.030 [-0.040, -0.020], " in text
    assert "On average 0.040 bits a byte fewer" in text
    assert "*base*: A thing." in text and "*tuned*: A longer thing [cut]" in text


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, ...]] = []
    monkeypatch.setattr(results, "_medft", lambda *words: said.append(words))
    done, begun, fresh = (
        finished(tmp_path / "seed-1"),
        RunDir(tmp_path / "seed-2"),
        RunDir(tmp_path / "seed-3"),
    )
    begun.root.mkdir()
    begun.config.write_text("{}")
    for run in (done, begun, fresh):
        results._train(run, "3")
        if run is done:
            results._evaluate(run, "24")
    assert [words[:2] for words in said] == [("train", f"resume={begun.root}"), ("train", "model=smollm2")]
    assert {"trainer.minutes=3", "seed=3", f"run_dir={fresh.root}"} <= set(said[1])


def test_a_word_that_is_not_known_ends_it() -> None:
    with pytest.raises(SystemExit, match="unknown word 'minute=3'"):
        results.main(["minute=3"])
