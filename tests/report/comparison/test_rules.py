from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medft.errors import ConfigError
from medft.report.comparison.rules import compare
from medft.report.subject import Subject, of_file, of_run
from tests.support.runs import BYTES_PER_NAT, make_run


def subject(root: Path, **given: Any) -> Subject:
    return of_run(make_run(root, **given))


def foreign(path: Path) -> Subject:
    path.write_text("Step,Loss\n" + "".join(f"{step},{2 - step / 100}\n" for step in range(1, 51)))
    return of_file(path)


def test_bits_per_byte_is_the_axis_across_tokenizers(tmp_path: Path) -> None:
    runs = [subject(tmp_path / "r" / model, model=model) for model in ("gemma", "mistral")]
    comparison = compare(runs)
    assert [panel.metric for panel in comparison.panels] == ["bits_per_byte"]
    assert {line.label for line in comparison.lines} == {"gemma", "mistral"}
    final = comparison.lines[0].final
    assert final is not None and final.mean == pytest.approx(
        runs[0].figures["validation_loss"] * BYTES_PER_NAT
    )
    assert comparison.warnings == ()


def test_plain_loss_stays_within_one_tokenizer(tmp_path: Path) -> None:
    runs = [subject(tmp_path / "r" / model, model=model) for model in ("gemma", "mistral")]
    runs.append(subject(tmp_path / "r" / "again", model="mistral", settings={"lora": {"r": 8}}))
    comparison = compare(runs, metric="loss")
    assert sorted(len(panel.lines) for panel in comparison.panels) == [1, 2]
    assert "cannot be ranked" in comparison.warnings[0]
    same = compare(runs[1:], metric="loss")
    assert len(same.panels) == 1 and same.warnings == ()


def test_files_of_other_trainers_share_one_panel_and_say_that_they_do_not_rank(tmp_path: Path) -> None:
    comparison = compare([foreign(tmp_path / f"{name}_loss.csv") for name in ("gemma", "llama2", "mistral")])
    assert len(comparison.panels) == 1
    assert "different vocabularies cannot be ranked" in comparison.warnings[0]
    assert [line.label for line in comparison.lines] == ["gemma", "llama2", "mistral"]
    assert comparison.pairs == ()


@pytest.mark.parametrize(("kind", "word"), [("data", "data"), ("split", "split"), ("template", "prompt")])
def test_other_data_splits_and_prompts_are_flagged(tmp_path: Path, kind: str, word: str) -> None:
    prints = {"data": "d", "split": "s", "template": "t", "tokenizer": "k"}
    first = subject(tmp_path / "r" / "1", fingerprints=prints)
    other = subject(tmp_path / "r" / "2", model="gemma", fingerprints={**prints, kind: "other"})
    comparison = compare([first, other])
    assert f"Not the same {word}" in comparison.warnings[0]
    assert [line.letter for line in comparison.lines] == ["A", "B"]


def test_only_seeds_apart_is_one_line_with_mean_and_sd(tmp_path: Path) -> None:
    runs = [subject(tmp_path / "r" / str(seed), seed=seed, noise=0.0) for seed in (1, 2, 3)]
    values = {1: 1.0, 2: 1.2, 3: 1.4}
    for run in runs:
        run.figures["bits_per_byte"] = values[int(run.seed or 0)]  # type: ignore[index]
    comparison = compare(runs)
    assert len(comparison.lines) == 1
    final = comparison.lines[0].final
    assert final is not None
    assert (final.mean, final.sd, final.n) == (pytest.approx(1.2), pytest.approx(0.2), 3)


def test_the_same_seed_twice_is_no_repeat(tmp_path: Path) -> None:
    comparison = compare([subject(tmp_path / "r" / stamp, seed=1) for stamp in ("1", "2")])
    assert len(comparison.lines) == 2
    assert len({line.label for line in comparison.lines}) == 2
    assert any("not independent repeats" in note for note in comparison.notes)


def test_an_unfinished_run_is_no_repeat_and_is_named(tmp_path: Path) -> None:
    runs = [subject(tmp_path / "r" / str(seed), seed=seed, finished=seed != 3) for seed in (1, 2, 3)]
    comparison = compare(runs)
    assert sorted(len(line.group.members) for line in comparison.lines) == [1, 2]
    assert any(warning.startswith("Not finished") for warning in comparison.warnings)


def test_differences_are_tested_within_the_same_data_only(tmp_path: Path) -> None:
    runs = [
        subject(tmp_path / f"{model}{data}" / str(seed), model=model, dataset=data, seed=seed, floor=floor)
        for model, data, floor in (("gemma", "a", 2.0), ("mistral", "a", 2.5), ("llama2", "b", 2.2))
        for seed in (1, 2, 3)
    ]
    comparison = compare(runs)
    assert len(comparison.pairs) == 1
    pair = comparison.pairs[0]
    assert {comparison.lines[pair.first].label, comparison.lines[pair.second].label} == {
        "gemma · a",
        "mistral · a",
    }
    assert pair.verdict == "differs" and pair.gap == pytest.approx(0.5 * BYTES_PER_NAT, abs=0.05)


def _with_bytes(root: Path, kept: int, **given: Any) -> Subject:
    run = make_run(root, **given)
    ledger = json.loads(run.ledger.read_text())
    run.ledger.write_text(json.dumps({**ledger, "encoding": {"validation": {"answer_bytes": kept}}}))
    return of_run(run)


def test_bits_over_other_bytes_are_not_ranked_together(tmp_path: Path) -> None:
    """One tokenizer's rows were cut at max_length, so that their answers lost other bytes."""
    whole = [_with_bytes(tmp_path / "r" / model, 4047, model=model) for model in ("gemma", "mistral")]
    assert compare(whole).warnings == ()
    cut = [_with_bytes(tmp_path / "c" / m, kept, model=m) for m, kept in (("gemma", 4005), ("mistral", 4047))]
    comparison = compare(cut)
    assert "Not the same bytes of validation answers" in comparison.warnings[0]
    assert [line.letter for line in comparison.lines] == ["A", "B"]


def test_axes_that_nobody_logged_are_refused(tmp_path: Path) -> None:
    files = [foreign(tmp_path / "a.csv")]
    with pytest.raises(ConfigError, match="tokens"):
        compare(files, x="tokens")
    with pytest.raises(ConfigError, match="bits_per_byte"):
        compare(files, metric="bits_per_byte")


def test_a_mixture_of_runs_and_files_says_what_is_not_drawn(tmp_path: Path) -> None:
    comparison = compare([subject(tmp_path / "r" / "1"), foreign(tmp_path / "a.csv")], x="tokens")
    assert any("No tokens logged, so not drawn: a" in warning for warning in comparison.warnings)
