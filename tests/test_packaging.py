"""The wheel: an installed medft finds its YAML files and samples inside itself, far from any checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from medft.paths import conf_dir, samples_dir

ROOT = Path(__file__).parents[1]


def test_the_wheel_composes_a_run_by_itself(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    site = tmp_path / "site"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    for ours, name in ((conf_dir(), "conf"), (samples_dir(), "samples")):
        files = {path.relative_to(ours) for path in ours.rglob("*") if path.is_file()}
        packed = site / "medft" / "_share" / name
        assert {path.relative_to(packed) for path in packed.rglob("*") if path.is_file()} == files

    code = "import medft.compose as c; print(c.__file__, c.settings('train', ['dataset=sample']).seed)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(site / "medft" / "compose.py"), "3407"]
