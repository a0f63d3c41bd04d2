"""What GPU libraries need on the machine: a C compiler and headers for Triton, a driver for torch."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sysconfig
from pathlib import Path

from medft.errors import EngineError
from medft.machine import Machine, probe

INSTALL = "apt install gcc python3-dev; without administrator rights: engine=transformers"
UPDATE = "update the NVIDIA driver"
PROCESSOR = 'CUDA_VISIBLE_DEVICES="" trains on the CPU'


def uncompilable() -> str | None:
    """None, or what Triton lacks to build the launcher of its first kernel, as its runtime/build.py does."""
    compiler = os.environ.get("CC")
    if not (shutil.which(compiler) if compiler else shutil.which("gcc") or shutil.which("clang")):
        return f"no C compiler{f' called {compiler} (CC)' if compiler else ''} for Triton's kernels"
    scheme = sysconfig.get_default_scheme().replace("posix_local", "posix_prefix")
    headers = Path(sysconfig.get_paths(scheme=scheme)["include"])
    if not (headers / "Python.h").is_file():
        return f"no Python.h in {headers} for Triton's kernels"
    return None


def demand_gpu() -> None:
    """Refuse to compute on a processor, or with kernels that are not there, where there is a GPU.

    Raises:
        EngineError: the driver lists a GPU that torch cannot use; says why.
    """
    machine = probe()
    if not machine.gpus:
        return
    import torch

    place = int(os.environ.get("LOCAL_RANK", "0")) % len(machine.gpus)
    gpu = machine.gpus[place]
    if not torch.cuda.is_available():
        why, remedy = _unavailable(machine)
        raise EngineError(
            f"the driver lists {gpu.name}, but torch {torch.__version__} cannot use it: {why}",
            remedy=f"{remedy}; {PROCESSOR}",
        )
    known = [int(name.removeprefix("sm_")) for name in torch.cuda.get_arch_list() if name[3:].isdecimal()]
    capability = 10 * gpu.capability[0] + gpu.capability[1]
    if known and capability < min(known):
        raise EngineError(
            f"torch {torch.__version__} has no kernels for {gpu.name} (compute capability "
            f"{gpu.capability[0]}.{gpu.capability[1]}, its oldest is {min(known) // 10}.{min(known) % 10})",
            remedy=f"choose a newer GPU by CUDA_VISIBLE_DEVICES; {PROCESSOR}",
        )


def outdated(machine: Machine) -> str | None:
    """None, or that torch needs a newer driver; found without importing it, so that a plan can tell."""
    built = _built_for()
    if not (built and machine.gpus and machine.driver) or machine.driver[0] >= int(built.split(".")[0]):
        return None
    return f"torch needs CUDA {built}, and the driver supports at most {'.'.join(map(str, machine.driver))}"


def _built_for() -> str | None:
    """The CUDA release in torch's version.py; None where there is none."""
    torch = importlib.util.find_spec("torch")
    file = Path(torch.origin).with_name("version.py") if torch and torch.origin else None
    said = re.search(r"^cuda\b.*= '([\d.]+)'", file.read_text(), re.MULTILINE) if file else None
    return said[1] if said else None


def _unavailable(machine: Machine) -> tuple[str, str]:
    """Why torch cannot use the GPUs that the driver lists, and what to do."""
    import torch

    if torch.version.cuda is None:
        return "it is built without CUDA", "install the build of torch for CUDA (make setup does)"
    if old := outdated(machine):
        return old, UPDATE
    if closed := [gpu for gpu in machine.gpus if gpu.mode == "prohibited"]:
        return f"{closed[0].name} is in a compute mode that no process may use", "sudo nvidia-smi -c 0"
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
        said = "CUDA could not be initialized"
    except (RuntimeError, AssertionError) as error:
        said = str(error).strip().splitlines()[0]
    return (
        said,
        "check nvidia-smi; a container needs --gpus all, and `compute` in NVIDIA_DRIVER_CAPABILITIES",
    )
