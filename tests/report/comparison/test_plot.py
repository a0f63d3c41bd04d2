from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medft.report.comparison.plot import draw
from medft.report.comparison.rules import compare
from medft.report.curves import draw_run
from medft.report.style import spread_out
from medft.report.subject import of_run
from tests.support.runs import make_run


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def test_a_run_draws_its_curve(tmp_path: Path) -> None:
    run = make_run(tmp_path / "mistral-tiny-sample-medical_qa" / "1")
    assert draw_run(run) == run.loss_png
    assert png_size(run.loss_png)[0] > 1200
    assert sorted(path.name for path in run.root.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_shortest_runs_draw_too(tmp_path: Path, steps: int) -> None:
    assert draw_run(make_run(tmp_path / "a" / "1", steps=steps)).is_file()


def test_a_run_with_nothing_but_its_losses_draws_too(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a" / "1", finished=False)
    run.config.unlink()
    run.ledger.unlink()
    assert draw_run(run).is_file()


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
    assert png_size(tmp_path / "many.png")[1] > 500


def test_labels_do_not_overlap_and_stay_in_order() -> None:
    wanted = [0.50, 0.51, 0.52, 0.9, 0.0, 0.505]
    placed = np.array(spread_out(wanted, 0.05, 0.0, 1.0))
    assert (np.diff(np.sort(placed)) >= 0.05 - 1e-9).all()
    assert (np.argsort(placed) == np.argsort(wanted)).all()
    assert placed.min() >= 0 and placed.max() <= 1
    assert placed[3] == pytest.approx(0.9)
    crowded = spread_out([0.5] * 40, 0.05, 0.0, 1.0)
    assert min(crowded) == pytest.approx(0.0) and max(crowded) == pytest.approx(1.0)
