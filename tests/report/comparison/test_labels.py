from __future__ import annotations

from pathlib import Path

from medft.report.comparison.labels import evaluation_letters, labels
from medft.report.subject import Subject, of_run
from tests.support.runs import make_run


def test_names_are_short_and_tell_all_apart(tmp_path: Path) -> None:
    def run(stamp: str, model: str, rate: float, seed: int = 1) -> Subject:
        return of_run(
            make_run(
                tmp_path / "r" / stamp, model=model, seed=seed, settings={"trainer": {"learning_rate": rate}}
            )
        )

    by_model = [run("1", "gemma", 1e-4), run("2", "mistral", 1e-4)]
    assert labels(by_model) == ["gemma", "mistral"]
    by_rate = [run("3", "gemma", 3e-5), run("4", "gemma", 1e-4)]
    assert labels(by_rate) == ["gemma · learning_rate=3e-05", "gemma · learning_rate=0.0001"]
    by_seed = [run("5", "gemma", 1e-4, 1), run("6", "gemma", 1e-4, 2)]
    assert labels(by_seed) == ["gemma · seed 1", "gemma · seed 2"]
    same = [run("7", "gemma", 1e-4), run("8", "gemma", 1e-4)]
    assert labels(same) == ["gemma · seed 1 · 7", "gemma · seed 1 · 8"]


def test_what_was_evaluated_on_the_same_has_the_same_letter(tmp_path: Path) -> None:
    prints = {"data": "d", "split": "s", "template": "t", "tokenizer": "k"}
    given = (prints, {**prints, "tokenizer": "other"}, {**prints, "split": "other"}, {"data": "d"})
    runs = [of_run(make_run(tmp_path / "r" / str(i), fingerprints=each)) for i, each in enumerate(given)]
    assert evaluation_letters([[run] for run in runs]) == ["A", "A", "B", "?"]
    assert evaluation_letters([runs[:1], runs[1:3]]) == ["A", "B"]
