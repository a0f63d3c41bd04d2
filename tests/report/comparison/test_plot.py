from __future__ import annotations

from pathlib import Path

from medft.report.comparison.plot import draw
from medft.report.comparison.rules import compare
from medft.report.subject import of_run
from tests.support.runs import make_run


def height(path: Path) -> int:
    """Pixels of a PNG file."""
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    return int.from_bytes(head[20:24], "big")


def test_an_svg_holds_no_time_and_draws_alike_twice(tmp_path: Path) -> None:
    comparison = compare([of_run(make_run(tmp_path / "r" / m, model=m)) for m in ("gemma", "mistral")])
    draw(comparison, "$a_b$ <x>", [tmp_path / "1.svg", tmp_path / "1.png"])
    draw(comparison, "$a_b$ <x>", [tmp_path / "2.svg"])
    assert (tmp_path / "1.svg").read_bytes() == (tmp_path / "2.svg").read_bytes()
    assert b"<script" not in (tmp_path / "1.svg").read_bytes()


def test_many_lines_and_repeats_draw(tmp_path: Path) -> None:
    runs = [
        of_run(make_run(tmp_path / f"{rate}" / str(seed), seed=seed, settings={"trainer": {"rate": rate}}))
        for rate in range(16)
        for seed in (1, 2)
    ]
    draw(compare(runs, x="seconds"), "many", [tmp_path / "many.png"])
    assert height(tmp_path / "many.png") > 500
