"""environment.json: versions, commit, hardware and decisions of a run; imports none of what it names."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

from medft.aliases import Json
from medft.config import plain
from medft.engine.compat import TESTED
from medft.machine import Machine
from medft.plan.resolve import Resolved

PACKAGES = ("medft", *TESTED, "xformers", "tokenizers", "safetensors", "hydra-core", "wandb")


def snapshot(machine: Machine, resolved: Resolved, seed: int) -> Json:
    """The JSON of environment.json."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions(),
        "commit": commit(),
        "machine": plain(machine),
        "seed": seed,
        "resolved": plain(resolved),
    }


def versions() -> dict[str, str]:
    """Installed versions of what shapes a run."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit() -> str:
    """The commit of medft's checkout, with "+changes" when it is not what runs; empty outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    head = _git(root, "rev-parse", "HEAD")
    return head + ("+changes" if _git(root, "status", "--porcelain", "--", "medft", "conf") else "")


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
