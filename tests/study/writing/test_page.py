"""The folder of a study: one page with its verdict, its drawings and its numbers."""

from __future__ import annotations

from medft.study.writing.page import write_study
from tests.study.writing.conftest import Build


def test_the_folder_holds_the_page_its_drawings_and_its_numbers(build: Build) -> None:
    config, folder, trials = build(failed={("8", 2): "out of memory"})
    verdict = write_study(config, folder, trials)
    assert verdict.ship
    written = {str(path.relative_to(folder.root)) for path in folder.root.rglob("*") if path.is_file()}
    drawings = {f"figures/{name}.svg" for name in ("primary", "subgroups", "curves", "flow-sample")}
    assert {"study.html", "study.md", "study.csv", "study.tex", *drawings} <= written
    assert "out of memory" in folder.page("md").read_text()
