from __future__ import annotations

from pathlib import Path

import pytest

from medft.report.curves import draw_run
from tests.support.runs import make_run


def test_a_run_draws_its_curve(tmp_path: Path) -> None:
    run = make_run(tmp_path / "mistral-tiny-sample-medical_qa" / "1")
    assert draw_run(run) == run.loss_png
    assert int.from_bytes(run.loss_png.read_bytes()[16:20], "big") > 1200  # width
    assert sorted(path.name for path in run.root.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_shortest_runs_draw_too(tmp_path: Path, steps: int) -> None:
    assert draw_run(make_run(tmp_path / "a" / "1", steps=steps)).is_file()


def test_a_run_with_nothing_but_its_losses_draws_too(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a" / "1", finished=False)
    run.config.unlink()
    run.ledger.unlink()
    assert draw_run(run).is_file()
