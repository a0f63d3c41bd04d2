"""Models beside each other on the items that both were asked."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from medft.cli import main
from medft.evaluation import between
from medft.evaluation.items import write_items
from medft.evaluation.measures import Measure, perplexity, statistic, summarize
from medft.evaluation.metrics import MacroF1
from medft.files import write_json
from medft.runs import RunDir
from medft.runs.record import RunRecord
from tests.support.runs import make_run

RNG = np.random.default_rng(5)
BASE = RNG.normal(3, 0.5, 60)
GOLD = RNG.choice(["yes", "no"], 60)


class Asked(NamedTuple):
    id: str
    cluster: str = ""


ITEMS = [Asked(f"q{number}") for number in range(60)]


def _evaluated(run: RunDir, loss: np.ndarray, right: float, items: list[Asked], bytes_: list[float]) -> None:
    """A suite with a loss per token, bits per byte, an accuracy and a macro F1, as the product writes it."""
    rng, n = np.random.default_rng(len(run.root.name)), len(items)
    said = [list(np.where(rng.random(n) < share, GOLD[:n], "no")) for share in (0.5, right)]
    values = {"base": list(BASE[:n]), "tuned": list(loss[:n])}
    nats = Measure("loss", "mean", values, [4.0] * n, higher_is_better=False, items=items)
    bits = Measure("bits per byte", "mean", values, bytes_[:n], higher_is_better=False, items=items)
    guesses = dict(zip(values, said, strict=True))
    hits = {name: [a == b for a, b in zip(each, GOLD, strict=False)] for name, each in guesses.items()}
    f1 = {name: MacroF1(list(GOLD[:n]), each, ["yes", "no"]) for name, each in guesses.items()}
    metrics = [
        summarize(nats, 0), perplexity(nats, 0), summarize(bits, 0),
        summarize(Measure("accuracy", "share", hits, items=items), 0),
        statistic("macro F1", f1, [range(n)], 0, items=items),
        summarize(Measure("verbatim words", "mean", dict.fromkeys(values, [0.0] * n), items=items), 0),
    ]  # fmt: skip
    write_json(
        run.evaluation / "wards.json",
        {"suite": "wards", "date": "2026-11-20", "asked": n, "left_out": {}, "notes": [], "extras": {},
         "weights": "adapter", "figures": [metric.to_json() for metric in metrics]},
    )  # fmt: skip
    write_items(run.evaluation / "wards.items.csv", metrics)


@pytest.fixture
def runs(tmp_path: Path) -> list[RunDir]:
    """Two seeds of mistral, and gemma, which was asked the first 50 items only and cuts five of them."""
    folder, bytes_ = tmp_path / "artifacts" / "runs", [float(40 + i) for i in range(60)]
    found = [
        make_run(folder / "mistral-sample-medical_qa" / "20261120-101500", seed=1),
        make_run(folder / "mistral-sample-medical_qa" / "20261120-101501", seed=2),
        make_run(folder / "gemma-sample-medical_qa" / "20261120-101502", model="gemma"),
    ]
    better = BASE - 0.4
    _evaluated(found[0], better + 0.1, 0.9, ITEMS, bytes_)
    _evaluated(found[1], better - 0.1, 0.9, ITEMS, bytes_)
    cut = [size - (index < 5) for index, size in enumerate(bytes_)]
    _evaluated(found[2], BASE + RNG.normal(0, 0.05, 60), 0.6, ITEMS[:50], cut)
    return found


def _contenders(runs: list[RunDir]) -> tuple[between.Contender, between.Contender]:
    records = [RunRecord(run) for run in runs]
    return between.Contender("mistral", tuple(records[:2])), between.Contender("gemma", (records[2],))


def test_figures_have_intervals_or_the_spread_of_seeds(runs: list[RunDir]) -> None:
    shown = between.results(between.with_bases(_contenders(runs)))
    assert shown is not None
    bases = ("mistral (tiny), base", "gemma (tiny), base")
    assert shown.columns == ("suite", "metric", *bases, "mistral", "gemma")
    cells = {row[1]: row[2:] for row in shown.rows}
    mean = float(np.mean(BASE - 0.4))
    assert cells["loss (lower is better)"][2] == f"{mean:.3f} ± 0.141 (n=2)"
    low, high = stats.t.interval(0.95, 59, BASE.mean(), stats.sem(BASE))
    value, ends = cells["loss (lower is better)"][0].split(" [")
    assert float(value) == pytest.approx(BASE.mean(), abs=1e-3)
    assert [float(end) for end in ends.strip("]").split(", ")] == pytest.approx([low, high], abs=0.01)


def test_models_are_compared_on_the_items_that_both_were_asked(runs: list[RunDir]) -> None:
    found, notes = between.differences([_contenders(runs)], 0)
    by_name = {finding.key[2]: finding for finding in found}
    assert set(by_name) == {"bits per byte", "accuracy", "macro F1", "verbatim words"}, (
        "loss per token is not"
    )
    bits = by_name["bits per byte"]
    rows = list(csv.DictReader((runs[2].evaluation / "wards.items.csv").open()))
    gemma = {row["item"]: float(row["tuned"]) for row in rows if row["metric"] == "bits per byte"}
    kept = range(5, 50)
    apart = [gemma[f"q{i}"] - float(BASE[i] - 0.4) for i in kept]
    assert bits.units == 45
    assert bits.value == pytest.approx(np.average(apart, weights=[40 + i for i in kept]))
    assert bits.verdict == "worse"
    assert by_name["accuracy"].units == 50
    words = by_name["verbatim words"]  # a number of words, and no share, though all of them are 0
    assert (words.value, words.low, words.high) == (0, None, None)
    assert "Loss per token is not compared between tokenizers; bits per byte are." in notes
    assert any("did not answer the same items; the 50 that both answered are used" in note for note in notes)
    assert any("5 items are left out" in note for note in notes)


def test_items_that_one_seed_was_not_asked_are_left_out_and_said(runs: list[RunDir]) -> None:
    path = runs[1].evaluation / "wards.items.csv"
    kept = [line for line in path.read_text().splitlines(keepends=True) if ",q7," not in line]
    path.write_text("".join(kept))
    first, second = _contenders(runs)
    assert "q7" not in first.items["wards", "", "accuracy"]
    notes = between.differences([(first, second)], 0)[1]
    assert "wards: items of mistral left out, since not all of its seeds answered them: 1." in notes


def test_all_pairs_and_metrics_are_corrected_together(runs: list[RunDir]) -> None:
    seeds = [between.Contender(f"seed {i}", (RunRecord(run),)) for i, run in enumerate(runs)]
    found, _ = between.differences(itertools.combinations(seeds, 2), 0)
    assert len({finding.key[3] for finding in found}) == 3
    first = min(found, key=lambda finding: finding.p or 0)
    assert first.corrected == pytest.approx((first.p or 0) * len(found), abs=1e-9)


def test_compare_shows_suites_beside_curves_and_writes_a_table_for_a_paper(
    runs: list[RunDir], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    assert main(["compare", f"artifacts={tmp_path}/artifacts"]) == 0
    said = capsys.readouterr().out
    assert "bits per byte (lower is better)" in said
    assert "gemma - mistral" in said or "mistral - gemma" in said
    [folder] = (tmp_path / "artifacts" / "compare").iterdir()
    text = (folder / "comparison.md").read_text()
    assert text.index("## Results") < text.index("## Suites") < text.index("on the same items")
    assert "<table>" in (folder / "comparison.html").read_text()
    rows = list(csv.DictReader((folder / "suites.csv").open()))
    assert [row["metric"] for row in rows][:2] == ["loss (lower is better)", "perplexity (lower is better)"]
    latex = (folder / "suites.tex").read_text()
    assert "\\toprule" in latex and "$\\pm$" in latex and latex.count("\\\\") == len(rows) + 1


def test_runs_without_suites_are_compared_as_before(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "mistral-sample-medical_qa" / "20261120-101500")
    assert main(["compare", f"artifacts={tmp_path}"]) == 0
    [folder] = (tmp_path / "compare").iterdir()
    assert not (folder / "suites.csv").exists() and "Suites" not in (folder / "comparison.md").read_text()
