from __future__ import annotations

from pathlib import Path

from medft.report.comparison.settings import differences, names
from medft.report.subject import of_run
from tests.support.runs import make_run


def test_only_what_differs_and_facts_of_a_name_aside(tmp_path: Path) -> None:
    runs = [
        of_run(make_run(tmp_path / "r" / str(i), model=model, settings={"lora": {"r": 16, "alpha": alpha}}))
        for i, (model, alpha) in enumerate((("gemma", 16), ("mistral", 16), ("mistral", 32)))
    ]
    found = differences(runs)
    assert found.rows == {"model.name": ("gemma", "mistral", "mistral"), "lora.alpha": ("16", "16", "32")}
    assert list(found.implied) == ["model.licence"]


def test_a_changed_setting_of_a_model_is_no_fact_of_its_name(tmp_path: Path) -> None:
    runs = [
        of_run(make_run(tmp_path / "r" / revision, settings={"model": {"name": "m", "revision": revision}}))
        for revision in ("a", "b")
    ]
    assert differences(runs).rows == {"model.revision": ("a", "b")}


def test_places_do_not_count(tmp_path: Path) -> None:
    runs = [of_run(make_run(tmp_path / "r" / i, settings={"sweep": i, "logger": {"tags": i}})) for i in "ab"]
    assert differences(runs).rows == {}


def test_names_are_short_and_tell_all_apart(tmp_path: Path) -> None:
    def run(stamp: str, model: str, rate: float, seed: int = 1) -> object:
        return of_run(
            make_run(
                tmp_path / "r" / stamp, model=model, seed=seed, settings={"trainer": {"learning_rate": rate}}
            )
        )

    by_model = [run("1", "gemma", 1e-4), run("2", "mistral", 1e-4)]
    assert names(by_model) == ["gemma", "mistral"]  # type: ignore[arg-type]
    by_rate = [run("3", "gemma", 3e-5), run("4", "gemma", 1e-4)]
    assert names(by_rate) == ["gemma · learning_rate=3e-05", "gemma · learning_rate=0.0001"]  # type: ignore[arg-type]
    by_seed = [run("5", "gemma", 1e-4, 1), run("6", "gemma", 1e-4, 2)]
    assert names(by_seed) == ["gemma · seed 1", "gemma · seed 2"]  # type: ignore[arg-type]
    same = [run("7", "gemma", 1e-4), run("8", "gemma", 1e-4)]
    assert names(same) == ["gemma · seed 1 · 7", "gemma · seed 1 · 8"]  # type: ignore[arg-type]
