"""A SLURM of this machine alone: munged, slurmctld and a slurmd for each of its nodes, in a folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "scontrol")
_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=5
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{nodes}
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=20 State=UP
PartitionName=high Nodes=ALL MaxTime=INFINITE PriorityTier=2 PreemptMode=OFF State=UP
"""


def missing() -> str | None:
    """Why no SLURM can be started here; None where it can."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if absent:
        return f"no {', '.join(absent)} (Debian: apt-get install slurmctld slurmd slurm-client munge)"
    return None if os.geteuid() == 0 else "its daemons need root"


@dataclass(frozen=True, slots=True)
class Slurm:
    """A SLURM that runs."""

    folder: Path
    """Its configuration, state and logs."""

    @property
    def environment(self) -> dict[str, str]:
        """What its commands are told."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": _path()}

    def call(self, *command: str) -> str:
        """What one of its commands prints."""
        done = subprocess.run(
            command,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout.strip()

    def state(self, job: str) -> str:
        """How a job stands, as `RUNNING`."""
        return self.call("squeue", "-h", "-t", "all", "-j", job, "-o", "%T")

    def until(self, job: str, *states: str, seconds: float = 60) -> None:
        """Wait until a job stands so."""
        end = time.monotonic() + seconds
        while (state := self.state(job)) not in states:
            assert time.monotonic() < end, f"{job} is {state}, not {states}"
            time.sleep(0.1)


@contextmanager
def slurm(folder: Path, nodes: int = 2, cpus: int = 4) -> Iterator[Slurm]:
    """Start one of so many nodes, all of them this machine, and end it."""
    names = [f"127.0.0.{number + 1}" for number in range(nodes)]  # which need nobody to look them up
    for name in ("state", *(f"spool-{name}" for name in names)):
        (folder / name).mkdir(parents=True)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    ports = [_free_port() for _ in range(nodes + 1)]
    host = socket.gethostname()
    listed = "\n".join(
        f"NodeName={name} NodeHostname={host} NodeAddr={name} Port={port} CPUs={cpus} State=UNKNOWN"
        for name, port in zip(names, ports[1:], strict=True)
    )
    (folder / "slurm.conf").write_text(_CONF.format(host=host, port=ports[0], folder=folder, nodes=listed))
    made = Slurm(folder)
    munge = [f"--{name}={folder / place}" for name, place in _MUNGE.items()]
    daemons = [
        ["munged", "--foreground", "--force", *munge],
        ["slurmctld", "-D", "-c"],
        *(["slurmd", "-D", "-c", "-N", name] for name in names),
    ]
    with ExitStack() as stack:
        for number, command in enumerate(daemons):
            log = stack.enter_context((folder / f"{number}-{command[0]}.log").open("w"))
            process = subprocess.Popen(
                command, env=os.environ | made.environment, stdout=log, stderr=log, start_new_session=True
            )
            stack.callback(_end, process)
            if number == 0:
                _until_there(folder / "munge.socket")
        end = time.monotonic() + 30
        while (idle := _idle(made)) != nodes:
            assert time.monotonic() < end, f"{idle} of {nodes} nodes: {folder}"
            time.sleep(0.1)
        try:
            yield made
        finally:
            made.call("scancel", "--state=RUNNING", "--signal=KILL", "--full", "--user=root")


_MUNGE = {
    "socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "log-file": "munge.log",
    "seed-file": "munge.seed",
}  # fmt: skip


def _idle(made: Slurm) -> int:
    done = subprocess.run(
        ["sinfo", "-h", "-N", "-p", "low", "-t", "idle", "-o", "%N"],
        env=os.environ | made.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return len(done.stdout.split())


def _until_there(path: Path) -> None:
    end = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < end, f"no {path}"
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


@pytest.fixture(scope="module")
def real_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A SLURM of two nodes for the tests of a file."""
    if why := missing():
        pytest.skip(f"NOT TESTED against a real SLURM: {why}")
    with slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running
