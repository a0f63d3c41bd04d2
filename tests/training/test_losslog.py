"""loss.csv on disk."""

from pathlib import Path

from medft.training.losslog import HEADER, LossLog, LossRow, read_rows


def row(step: int, split: str = "train") -> LossRow:
    return LossRow(step, step / 10, split, 2.0 / (step + 1), 1.5, 1e-4, None, 100 * step, 0.5 * step)  # type: ignore[arg-type]


def test_every_line_is_on_disk_before_the_next(tmp_path: Path) -> None:
    log = LossLog(tmp_path / "loss.csv")
    for step in (1, 2):
        log.write(row(step))
        assert len((tmp_path / "loss.csv").read_text().splitlines()) == 1 + step
    assert (tmp_path / "loss.csv").read_text().splitlines()[0] == ",".join(HEADER)
    assert read_rows(tmp_path / "loss.csv")[1]["grad_norm"] == ""


def test_resuming_drops_the_lines_after_the_checkpoint_and_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "loss.csv"
    log = LossLog(path)
    for step in (1, 2, 3):
        log.write(row(step))
    with path.open("a") as file:
        file.write("2,0.2,test,1.0,,,,200,1.0\n")  # of an end that is to come again
        file.write("4,0.4,train,0.")  # a kill in the middle of a line
    resumed = LossLog(path, resume_step=2)
    assert resumed.last is not None
    assert resumed.last["step"] == "2"
    resumed.write(row(3, "validation"))
    assert [(r["step"], r["split"]) for r in read_rows(path)] == [
        ("1", "train"),
        ("2", "train"),
        ("3", "validation"),
    ]


def test_starting_again_from_nothing_leaves_no_line(tmp_path: Path) -> None:
    LossLog(tmp_path / "loss.csv").write(row(0, "validation"))
    again = LossLog(tmp_path / "loss.csv")
    assert again.last is None
    assert read_rows(tmp_path / "loss.csv") == []
