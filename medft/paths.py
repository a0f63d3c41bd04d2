"""Where conf/ and the bundled samples are, in a checkout and in an installed wheel; and the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def conf_dir() -> Path:
    """The folder of Hydra's configuration groups."""
    return _shared("conf", _PACKAGE.parent / "conf")


def samples_dir() -> Path:
    """The folder of the bundled sample data."""
    return _shared("samples", _PACKAGE.parent / "data" / "samples")


def _shared(name: str, checkout: Path) -> Path:
    """The copy inside the wheel where there is one, else what stands beside the package."""
    bundled = _PACKAGE / "_share" / name
    return bundled if bundled.exists() else checkout


def lock_file(name: str) -> Path:
    """A lock file of weights that come from a package registry."""
    return _shared(name, _PACKAGE.parent / name)


def cache_dir() -> Path:
    """The user's cache, for what can be fetched or made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "medft"


def expanded(path: Path | str) -> Path:
    """``path`` with ~ as the home folder; as it is where nobody of that name has one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
