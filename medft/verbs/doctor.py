"""medft doctor: check in seconds what training needs on this machine, and what to install.

One line per part. Downloads nothing and loads no model.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medft.engine import toolchain
from medft.engine.compat import outside_tested
from medft.errors import MedftError
from medft.format import size
from medft.machine import probe
from medft.plan.disk import free_bytes
from medft.screen import Screen

EXAMPLES = ("medft doctor", "medft doctor artifacts=/data/runs")

_SCRATCH = 20_000_000_000  # the two checkpoints of a 7B model, in 4 and in 16 bits
_SHARED = 64_000_000  # what NCCL and data loaders want of /dev/shm
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DoctorConfig:
    """What is looked at."""

    artifacts: Path = Path("artifacts")
    """Where runs would be written."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look came to."""

    said: str
    """In a few words."""
    remedy: str = ""
    """What to install or to change; empty where nothing is wrong."""
    hinders: bool = True
    """Whether what is wrong keeps training from running as it should."""


def run(config: DoctorConfig) -> int:
    """Look at every part.

    Returns:
        The exit code: 1 where something hinders training.
    """
    screen, hindered = Screen(), False
    looks: dict[str, Callable[[], Finding]] = {
        "driver": _driver, "torch": _torch, "tested": _versions, "compile": _compiler, "triton": _triton,
        "4 bits": _bitsandbytes, "attends": _attention, "disk": lambda: _disk(config.artifacts),
        "shm": _shared, "hub": _hub, "token": _token, "wandb": _wandb,
    }  # fmt: skip
    for name, look in looks.items():
        with screen.chatter_to(Path(os.devnull)):  # whatever matters of it is the finding
            found = _told(look)
        screen.line(name, found.said, *([f"fix: {found.remedy}"] if found.remedy else []))
        hindered |= bool(found.remedy) and found.hinders
    return int(hindered)


def _told(look: Callable[[], Finding]) -> Finding:
    """What a look finds, or what it failed with: any library may be broken here."""
    try:
        return look()
    except MedftError as error:
        return Finding(error.what, error.remedy or "see above")
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        return Finding(f"{type(error).__name__}: {first}", "make setup installs the tested versions")


def _driver() -> Finding:
    machine = probe()
    if not machine.gpus:
        return Finding(
            "no CUDA GPU: tiny twins and models of up to 400M parameters train on the CPU",
            "a machine with an NVIDIA GPU and its driver (nvidia-smi lists both)",
            hinders=False,
        )
    version = f"CUDA {'.'.join(map(str, machine.driver))}" if machine.driver else "version unknown"
    gpus = [
        f"{gpu.name}, {'unknown' if gpu.free_bytes is None else size(gpu.free_bytes)} of "
        f"{size(gpu.total_bytes)} free, {gpu.mode}"
        for gpu in machine.gpus
    ]
    closed = any(gpu.mode == "prohibited" for gpu in machine.gpus)
    return Finding("; ".join([version, *gpus]), "sudo nvidia-smi -c 0" if closed else "")


def _torch() -> Finding:
    import torch

    toolchain.demand_gpu()
    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"
    return Finding(f"{torch.__version__}, built for {built}")


def _versions() -> Finding:
    other = outside_tested()
    return Finding("; ".join(other) or "all tested", "make setup" if other else "", hinders=False)


def _compiler() -> Finding:
    lacking = toolchain.uncompilable()
    if lacking:
        return Finding(lacking, toolchain.INSTALL, hinders=bool(probe().gpus))
    return Finding("C compiler and Python headers are there")


def _triton() -> Finding:
    if not probe().gpus:
        return Finding("not tried: it needs a GPU")
    from medft.engine.kernel import runs

    if not runs("cuda"):
        return Finding("a test kernel gave a wrong result", toolchain.INSTALL)
    return Finding("a test kernel was compiled and ran")


def _bitsandbytes() -> Finding:
    import torch
    from bitsandbytes import functional

    device = "cuda" if probe().gpus else "cpu"
    weight = torch.linspace(-1, 1, 4096, device=device).reshape(64, 64)
    again = functional.dequantize_4bit(*functional.quantize_4bit(weight, quant_type="nf4"))
    wrong = float((again - weight).abs().max()) > 0.2  # NF4's widest step is 0.3
    return Finding(
        f"bitsandbytes computes on {device}", "make setup installs the tested version" if wrong else ""
    )


def _attention() -> Finding:
    there = [name for name in ("flash_attn", "xformers") if importlib.util.find_spec(name)]
    return Finding(f"{there[0] if there else 'plain'} for Unsloth, plain (torch) for transformers")


def _disk(artifacts: Path) -> Finding:
    from huggingface_hub import constants

    places = {"runs": artifacts, "the hub's cache": Path(constants.HF_HUB_CACHE)}
    free = {words: free_bytes(place) for words, place in places.items()}
    said = ", ".join(f"{size(room)} free for {words}" for words, room in free.items())
    short = min(free.values()) < _SCRATCH
    remedy = "artifacts=<a folder on a larger disk>, or HF_HOME likewise (a 7B model takes 20 GB)"
    return Finding(said, remedy if short else "", hinders=False)


def _shared() -> Finding:
    place = Path("/dev/shm")  # noqa: S108 - looked at, not written to
    if not place.is_dir():
        return Finding("no /dev/shm")
    room = shutil.disk_usage(place).free
    remedy = "" if room >= _SHARED else "empty /dev/shm; a container takes --shm-size=1g"
    return Finding(f"{size(room)} free in {place}", remedy, hinders=False)


@functools.cache
def _answers(address: str) -> bool:
    """Whether anything, a refusal included, comes back from ``address``."""
    import httpx
    from huggingface_hub import get_session

    try:
        get_session().head(address, timeout=_SECONDS)
    except httpx.HTTPError:
        return False
    return True


def _hub() -> Finding:
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return Finding("turned off (HF_HUB_OFFLINE)")
    if not _answers(constants.ENDPOINT):
        return Finding(
            f"{constants.ENDPOINT} does not answer in {_SECONDS:.0f} s",
            "HF_ENDPOINT=<a mirror>, or a proxy in HTTPS_PROXY; model=smollm2 needs no hub",
        )
    return Finding(f"{constants.ENDPOINT} answers")


def _token() -> Finding:
    from huggingface_hub import HfApi, constants, get_token

    remedy = "hf auth login (gated models and uploads need a token)"
    if get_token() is None:
        return Finding("none", remedy, hinders=False)
    if constants.is_offline_mode() or not _answers(constants.ENDPOINT):
        return Finding("found; its rights were not checked")
    try:
        rights = HfApi().whoami()["auth"]["accessToken"]["role"]
    except (OSError, KeyError, TypeError):  # unreachable, refused, or of another kind
        return Finding("found; the hub does not report its rights", remedy, hinders=False)
    return Finding(f"may {rights}")


def _wandb() -> Finding:
    from medft.training.config import LoggerConfig
    from medft.training.wandb_log import mode

    if mode(LoggerConfig()) == "online":
        return Finding("key found")
    return Finding("runs stay offline", "`wandb login` to see them in a browser", hinders=False)
