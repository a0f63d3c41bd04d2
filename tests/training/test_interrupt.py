"""Training that is stopped, killed and resumed through the real command line equals one that was not.

One run of twenty steps is told to stop, resumed, killed, and resumed again; beside it stands one that was
left alone. tests/benchmarks/bench_kills.py kills at random moments.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from medft.cli import main
from medft.files import read_json
from medft.models.tiny import Twin
from medft.overrides import latest
from medft.paths import samples_dir
from medft.runs import RunDir
from medft.training.callbacks import Stopper
from medft.training.losslog import read_rows
from tests.support.process import start
from tests.support.training import ARGUMENTS, compared, until_step


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, twins: Callable[[str], Twin]) -> Path:
    folder = tmp_path_factory.mktemp("interrupt")
    shutil.copytree(twins("mistral").root, folder / "artifacts" / "tiny" / twins("mistral").root.name)
    return folder


@pytest.fixture(scope="module")
def whole(workplace: Path) -> RunDir:
    run = RunDir(workplace / "whole")
    assert start(workplace, *ARGUMENTS, f"run_dir={run.root}").wait(200) == 0
    return run


@pytest.fixture(scope="module")
def stopped(workplace: Path) -> RunDir:
    """Told to stop after its third step."""
    run = RunDir(workplace / "cut")
    process = start(workplace, *ARGUMENTS, f"run_dir={run.root}")
    until_step(run, 3, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    return run


def test_a_stop_finishes_the_step_and_leaves_a_checkpoint_of_it(stopped: RunDir) -> None:
    assert stopped.state() == "interrupted"
    last = int(read_rows(stopped.loss_csv)[-1]["step"])
    assert 3 <= last < 20
    assert (stopped.checkpoints / f"checkpoint-{last}" / "trainer_state.json").is_file()
    assert f"at step {last} of 20" in read_json(stopped.status)["reason"]


def test_a_scheduler_that_repeats_itself_waits_for_the_step_and_a_second_ctrl_c_does_not() -> None:
    stopper = Stopper()
    with stopper.catching():
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)  # its time is up
        assert stopper.signal == signal.SIGUSR1
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_resuming_with_another_model_is_refused_by_name(stopped: RunDir, workplace: Path) -> None:
    process = start(workplace, f"resume={stopped.root}", "lora.r=4", stderr=subprocess.PIPE)
    error = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 1
    assert "lora.r: 16 -> 4" in error
    assert stopped.state() == "interrupted"


def test_a_refusal_leaves_the_run_as_it_was(
    stopped: RunDir, workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other rows are found out only when they have been read."""
    rows = (samples_dir() / "medical_qa.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (workplace / "fewer.jsonl").write_text("".join(rows[5:]), encoding="utf-8")
    before = [path.read_bytes() for path in (stopped.config, stopped.environment, stopped.status)]
    monkeypatch.chdir(workplace)
    assert main(["train", f"resume={stopped.root}", "dataset.path=fewer.jsonl"]) == 1
    assert "changed since it began" in capsys.readouterr().err
    assert [path.read_bytes() for path in (stopped.config, stopped.environment, stopped.status)] == before
    assert stopped.state() == "interrupted"


def test_twenty_steps_equal_stop_resume_kill_resume(stopped: RunDir, whole: RunDir, workplace: Path) -> None:
    process = start(workplace, f"resume={stopped.root}")
    until_step(stopped, 11, process)
    process.kill()
    process.wait()
    assert stopped.state() == "killed"
    newest = max(stopped.checkpoints.glob("checkpoint-*"), key=lambda path: path.stat().st_mtime)
    torn = newest.with_name("checkpoint-19")  # as a kill in the middle of writing leaves it
    shutil.copytree(newest, torn)
    state = torn / "trainer_state.json"
    state.write_bytes(state.read_bytes()[:100])

    assert start(workplace, f"resume={stopped.root}").wait(200) == 0
    assert stopped.state() == "finished"
    assert compared(stopped) == compared(whole)
    rows = read_rows(stopped.loss_csv)
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    adapters = [(run.adapter / "adapter_model.safetensors").read_bytes() for run in (stopped, whole)]
    assert adapters[0] == adapters[1]


def test_a_kill_after_the_last_step_trains_no_further(whole: RunDir, workplace: Path, tmp_path: Path) -> None:
    """As when a run is killed while it merges."""
    killed = RunDir(tmp_path / "killed")
    shutil.copytree(whole.root, killed.root)
    killed.config.write_text(killed.config.read_text().replace(str(whole.root), str(killed.root)))
    killed.summary.unlink()
    shutil.rmtree(killed.adapter)
    killed.mark("running")
    assert start(workplace, f"resume={killed.root}").wait(200) == 0
    assert compared(killed) == compared(whole)
    assert read_json(killed.summary)["steps"] == 20


def test_grouped_steps_are_the_same_after_a_kill(workplace: Path, tmp_path: Path) -> None:
    """Killed in the second epoch, whose order a resumed run must find again."""
    recipe = ("trainer.group_by_length=true", "trainer.eval_steps=7", "trainer.save_steps=7",
              "dataset.limit=60", "trainer.max_steps=20")  # fmt: skip
    whole, killed = RunDir(tmp_path / "whole"), RunDir(tmp_path / "killed")
    assert start(workplace, *latest((*ARGUMENTS, *recipe)), f"run_dir={whole.root}").wait(200) == 0
    shutil.copytree(whole.root, killed.root)
    killed.summary.unlink()
    shutil.rmtree(killed.checkpoints / "checkpoint-20")
    killed.mark("running")
    assert start(workplace, f"resume={killed.root}").wait(200) == 0
    assert compared(killed) == compared(whole)
