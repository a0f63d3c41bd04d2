from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medft.errors import DataError
from medft.report.series import read_curve, smooth, thin
from tests.support.runs import HEADER, make_run


def test_reads_what_training_writes(tmp_path: Path) -> None:
    path = tmp_path / "loss.csv"
    path.write_text(HEADER + "1,0.5,train,2.5,1.2,2e-4,1.0,520,0.4\n1,0.5,validation,2.7,1.3,,,520,0.4\n")
    curve = read_curve(path)
    assert curve.last("train", "loss") == 2.5
    assert curve.last("validation", "bits_per_byte") == 1.3
    assert np.isnan(curve.rows["learning_rate"].iloc[1])
    x, y = curve.points("train", "tokens", "loss")
    assert (x.tolist(), y.tolist()) == ([520.0], [2.5])
    assert curve.last("test", "loss") is None


def test_reads_step_loss_files_of_other_trainers(tmp_path: Path) -> None:
    path = tmp_path / "gemma_loss.csv"
    path.write_text("Step,Loss\r\n1,9.6562\r\n2,11.1172\r\n")
    curve = read_curve(path)
    assert curve.split("train")["loss"].tolist() == [9.6562, 11.1172]
    assert not curve.has("bits_per_byte")


def test_a_line_that_was_not_finished_is_left_out_and_noted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a" / "b", steps=10)
    text = run.loss_csv.read_text()
    run.loss_csv.write_text(text + "11,1.1,tra")
    curve = read_curve(run.loss_csv)
    assert curve.rows["step"].max() == 10
    assert "is incomplete" in curve.notes[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a csv"),
        ("a,b\n1,2\n", "no columns"),
        ("step,loss\n", "no rows"),
        ("step,loss\n1,2\n2,high\n", "not numeric"),
    ],
)
def test_unusable_files_are_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        read_curve(path)
    assert str(path) in caught.value.where


def test_the_line_of_a_bad_number_is_given(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("step,loss\n1,2\n2,high\n")
    with pytest.raises(DataError) as caught:
        read_curve(path)
    assert caught.value.where.endswith("line 3")


def test_infinite_values_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "loss.csv"
    path.write_text(HEADER + "1,0.5,train,inf,1.2,2e-4,-inf,520,0.4\n2,1,train,2.5,1.3,2e-4,1.0,520,0.4\n")
    curve = read_curve(path)
    assert curve.points("train", "step", "loss")[1].tolist() == [2.5]
    assert curve.notes == ("2 infinite values are left out (loss, grad_norm)",)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no"):
        read_curve(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        read_curve(tmp_path / "b.csv")


def test_smoothing_keeps_a_straight_line_and_does_not_lag() -> None:
    x = np.arange(500.0)
    line = smooth(x, 3 - 0.004 * x)
    assert line is not None
    np.testing.assert_allclose(line, 3 - 0.004 * x, atol=1e-9)


def test_smoothing_removes_noise_and_keeps_gaps() -> None:
    x = np.arange(2000.0)
    noise = np.random.default_rng(0).normal(0, 0.1, len(x))
    values = 2 + np.exp(-x / 300) + noise
    values[7] = np.nan
    smoothed = smooth(x, values)
    assert smoothed is not None and np.isnan(smoothed[7])
    assert np.nanstd(smoothed - (2 + np.exp(-x / 300))) < 0.02
    assert smooth(x[:10], values[:10]) is None


def test_thinning_loses_no_extreme() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    values[4321], values[8765] = 50.0, -50.0
    x, y = thin(np.arange(10_000.0), values)
    assert len(y) <= 2400 and y.max() == 50.0 and y.min() == -50.0
    assert x[int(y.argmax())] == 4321 and (np.diff(x) > 0).all()
    assert (x[0], x[-1]) == (0, 9999)


@pytest.mark.parametrize("step", ["-5", "1e300"])
def test_a_step_is_a_number_of_steps(step: str, tmp_path: Path) -> None:
    path = tmp_path / "loss.csv"
    path.write_text(f"Step,Loss\n1,9.5\n{step},8.5\n")
    with pytest.raises(DataError, match="an invalid step") as caught:
        read_curve(path)
    assert caught.value.where.endswith("line 3")
