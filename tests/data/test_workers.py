"""Several processes clean the rows of a large data set: bytes and errors are those of one, and none outlives
the command."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medft.data.config import DatasetConfig
from medft.data.costs import COSTS
from medft.data.prepare import prepare
from medft.errors import DataError
from tests.data.support import QA, dataset, jsonl, qa

ROWS = 50
"""Of a chunk here, so that a small file has many."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medft.data.chunk.ROWS", ROWS)
    monkeypatch.setattr("medft.data.workers.FIRST", ROWS)


def rows(count: int) -> list[dict[str, str]]:
    """Rows of which some are mended, dropped, repeated, near to others, or no rows at all."""
    made: list[dict[str, str]] = [{**row, "id": str(number)} for number, row in enumerate(qa(count))]
    for number, row in enumerate(made):
        row["answer"] += {0: " <b>bold</b>", 1: " Gef\u00c3\u00bchl", 2: " call 030 901820"}.get(
            number % 7, ""
        )
        if number % 11 == 0:
            row["answer"] = ("", "n/a", "As an AI model, I cannot.", made[0]["answer"])[number // 11 % 4]
        if number % 13 == 0:
            row["question"] = made[number // 2]["question"]
        if number % 29 == 28:
            row["id"] = "7"
        if number % 31 == 30:
            row["answer"] = {"not": "a text"}  # type: ignore[assignment]
    return made


def mixture(tmp_path: Path, processes: int, **settings: object) -> DatasetConfig:
    columns = {"question": "question", "answer": "answer", "id": "id"}
    member = {"reader": "jsonl", "columns": columns, "on_error": "skip", **settings}
    sources = {
        name: {"name": name, "path": jsonl(tmp_path / f"{name}.jsonl", rows(count)), **member}
        for name, count in (("large", 6 * ROWS + 7), ("small", 2 * ROWS + 1))
    }
    return dataset(reader=None, sources=sources, processes=processes)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != COSTS}


def test_the_bytes_are_the_same_whatever_the_number_of_processes(tmp_path):
    found, told = {}, {}
    for processes in (1, 2, 3):
        steps: list[int] = []
        config = mixture(tmp_path, processes)
        done = prepare(config, seed=1, processed=tmp_path / str(processes), progress=steps.append)
        found[processes], told[processes] = content(done.folder), steps
        assert not done.reused
    assert found[1].keys() >= {"train.parquet", "rows.jsonl", "ledger.json"}
    assert found[1] == found[2] == found[3]
    assert told[1] == told[2] == told[3]
    assert sum(told[1]) == 8 * ROWS + 8
    assert {"duplicate_id", "not_text", "blank_answer"} <= done.ledger.dropped().keys()


def test_the_number_of_processes_makes_no_other_data_set(tmp_path):
    first = prepare(mixture(tmp_path, 1), seed=1, processed=tmp_path)
    assert prepare(mixture(tmp_path, 2), seed=1, processed=tmp_path).reused
    assert first.folder.exists()


def test_the_first_bad_row_ends_it_as_it_does_in_one_process(tmp_path):
    errors = []
    for processes in (1, 2):
        with pytest.raises(DataError) as error:
            prepare(mixture(tmp_path, processes, on_error="stop"), seed=1, processed=tmp_path)
        errors.append(str(error.value))
    assert errors[0] == errors[1]
    assert "duplicate_id" not in errors[0]
    assert ":29" in errors[0]


def test_a_small_data_set_starts_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    sources = {
        name: {"name": name, "path": jsonl(tmp_path / name, qa(9, start)), "reader": "jsonl", "columns": QA}
        for name, start in (("a", 0), ("b", 9), ("c", 18))
    }
    config = dataset(reader=None, sources=sources, processes=2)
    assert prepare(config, seed=1, processed=tmp_path).ledger.rows_in == 27


LONG = """
import sys
from pathlib import Path
from medft.data import chunk, workers
from medft.data.prepare import prepare
from tests.data.support import dataset
chunk.ROWS, workers.FIRST = 50, 50
told = lambda rows: print(rows, flush=True)
prepare(dataset(path=Path(sys.argv[1]), processes=2), seed=1, processed=Path(sys.argv[2]), progress=told)
"""


@pytest.fixture
def working(tmp_path):
    """A command that has begun to give rows to others, and where it works."""
    path, folder = jsonl(tmp_path / "x.jsonl", qa(60_000)), tmp_path / "processed"
    command = [sys.executable, "-c", LONG, str(path), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for _ in range(3):  # the second chunk is the first that another process has cleaned
            process.stdout.readline()
        yield process, folder
        process.kill()


def children(parent: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True)
    return [int(pid) for pid in listed.stdout.split()]


def gone(pids: list[int]) -> bool:
    """Whether all of them have ended, within ten seconds."""
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_command(working, number):
    process, folder = working
    pids = children(process.pid)
    assert len(pids) == 2
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert gone(pids)
    if number == signal.SIGINT:
        assert said.rstrip().endswith("KeyboardInterrupt")
        assert [path.name for path in folder.iterdir() if not path.name.endswith(".lock")] == []


def test_a_process_that_is_killed_is_told_with_its_rows(working):
    process, _ = working
    for pid in children(process.pid):
        os.kill(pid, signal.SIGKILL)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "a process that cleans rows ended early" in said
    assert "dataset.processes=1" in said
