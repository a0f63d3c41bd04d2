from __future__ import annotations

from pathlib import Path

from medft.report.comparison.settings import differing
from medft.report.subject import of_run
from tests.support.runs import make_run


def test_only_what_differs_and_facts_of_a_name_aside(tmp_path: Path) -> None:
    runs = [
        of_run(make_run(tmp_path / "r" / str(i), model=model, settings={"lora": {"r": 16, "alpha": alpha}}))
        for i, (model, alpha) in enumerate((("gemma", 16), ("mistral", 16), ("mistral", 32)))
    ]
    found = differing(runs)
    assert found.rows == {"model.name": ("gemma", "mistral", "mistral"), "lora.alpha": ("16", "16", "32")}
    assert list(found.implied) == ["model.license"]


def test_a_changed_setting_of_a_model_is_no_fact_of_its_name(tmp_path: Path) -> None:
    runs = [
        of_run(make_run(tmp_path / "r" / revision, settings={"model": {"name": "m", "revision": revision}}))
        for revision in ("a", "b")
    ]
    assert differing(runs).rows == {"model.revision": ("a", "b")}


def test_places_do_not_count(tmp_path: Path) -> None:
    runs = [of_run(make_run(tmp_path / "r" / i, settings={"sweep": i, "logger": {"tags": i}})) for i in "ab"]
    assert differing(runs).rows == {}
