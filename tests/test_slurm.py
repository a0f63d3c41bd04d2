"""What SLURM tells the processes that it starts, and a job that goes back into the queue; by a real SLURM."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from medft import slurm
from medft.models.tiny import Twin
from medft.runs import RunDir
from medft.training.losslog import read_rows
from tests.support.process import ROOT
from tests.support.slurm import Slurm, real_slurm
from tests.support.training import ARGUMENTS

__all__ = ["real_slurm"]  # a fixture

STEP = {
    "SLURM_JOB_ID": "70005", "SLURM_STEP_ID": "1", "SLURM_PROCID": "5", "SLURM_LOCALID": "1",
    "SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NODELIST": "gpu[07-08]",
}  # fmt: skip


def test_a_task_of_srun_learns_its_place() -> None:
    told = dict(STEP)
    slurm.join(4, told)
    assert {name: told[name] for name in told.keys() - STEP.keys()} == {
        "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "gpu07", "MASTER_PORT": "20102",
    }  # fmt: skip


@pytest.mark.parametrize(("gpus", "local"), [(1, "0"), (0, "1")])
def test_a_task_that_sees_its_own_gpu_alone_takes_the_first(gpus: int, local: str) -> None:
    told = dict(STEP)
    slurm.join(gpus, told)
    assert told["LOCAL_RANK"] == local


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"},  # a batch script, outside srun
        STEP | {"SLURM_STEP_NUM_TASKS": "1"},
        STEP | {"RANK": "0", "WORLD_SIZE": "2"},  # torchrun within a task of srun
    ],
)
def test_a_process_that_srun_did_not_start_with_others_stays_alone(told: dict[str, str]) -> None:
    before = dict(told)
    slurm.join(4, told)
    assert told == before


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("localhost", "localhost"),
        ("node07,node09", "node07"),
        ("node[07-09,12],gpu1", "node07"),
        ("rack[2,5]-node[3-4]", "rack2-node3"),
        ("a-1-[5-6]-ib0", "a-1-5-ib0"),
    ],
)
def test_the_first_host_of_a_list(nodes: str, first: str) -> None:
    assert slurm.first_host(nodes) == first


def test_outside_slurm_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    assert slurm.ask_again() is None
    assert not slurm.restarted()


def test_slurm_that_cannot_be_asked_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("PATH", "")
    said = slurm.ask_again()
    assert said is not None and said.startswith("job 7 is not put back into the queue: ") and "squeue" in said


PLACE = """
import os
from medft import ranks, slurm
slurm.join(0)
import torch.distributed as group
if ranks.count() > 1:
    group.init_process_group("gloo")
    print(f"{ranks.rank()} of {group.get_world_size()}, {os.environ['SLURM_NODEID']}", flush=True)
else:
    print("alone", flush=True)
"""


def test_tasks_on_two_nodes_meet_and_a_batch_script_is_alone(real_slurm: Slurm) -> None:
    script, python = real_slurm.folder / "place.sh", f"{sys.executable} {real_slurm.folder / 'place.py'}"
    (real_slurm.folder / "place.py").write_text(PLACE)
    script.write_text(f"#!/bin/bash\n#SBATCH -N2 -n2\nexport PYTHONPATH={ROOT}\n{python}\nsrun {python}\n")
    out = real_slurm.folder / "place.out"
    real_slurm.until(real_slurm.call("sbatch", "--parsable", f"-o{out}", str(script)), "COMPLETED")
    said = out.read_text().splitlines()
    assert said[0] == "alone"
    assert sorted(line for line in said if re.fullmatch(r"\d of \d, \d", line)) == ["0 of 2, 0", "1 of 2, 1"]


SCRIPT = """\
#!/bin/bash
#SBATCH --requeue --open-mode=append
export PYTHONPATH={root} HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1
srun {python} -m medft train {words}
"""


def test_a_job_whose_time_is_up_saves_and_goes_on_in_its_next_turn(
    real_slurm: Slurm, tmp_path: Path, twins: Callable[[str], Twin]
) -> None:
    """SIGUSR1 is what ``#SBATCH --signal=USR1@120`` sends."""
    twin = twins("mistral").root
    shutil.copytree(twin, tmp_path / "artifacts" / "tiny" / twin.name)
    script, out = tmp_path / "train.sh", tmp_path / "out"
    script.write_text(SCRIPT.format(root=ROOT, python=sys.executable, words=" ".join(ARGUMENTS)))
    number = real_slurm.call("sbatch", "--parsable", f"-D{tmp_path}", f"-o{out}", str(script))
    end = time.monotonic() + 120
    while not list(tmp_path.glob("artifacts/runs/*/*/checkpoints/checkpoint-2")):
        assert time.monotonic() < end, out.read_text()
        time.sleep(0.05)
    real_slurm.call("scancel", "--signal=USR1", number)
    real_slurm.until(number, "PENDING")
    real_slurm.call("scontrol", "update", f"JobId={number}", "StartTime=now")  # else in two minutes
    real_slurm.until(number, "COMPLETED", seconds=120)
    [run] = (RunDir(path.parent) for path in tmp_path.glob("artifacts/runs/*/*/config.yaml"))
    steps = [int(row["step"]) for row in read_rows(run.loss_csv) if row["split"] == "train"]
    assert run.state() == "finished" and steps == list(range(1, 21))
    assert f"job {number} is back in the queue" in out.read_text()
