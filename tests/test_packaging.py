"""The wheel: an installed medft finds its YAML files and samples inside itself, far from any checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import yaml

from medft import __version__
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

    metadata = next(site.glob("*.dist-info"))
    assert metadata.name.startswith(f"medft-{__version__}.")
    assert {path.name for path in (metadata / "licenses").iterdir()} == {"LICENSE", "THIRD_PARTY.md"}

    code = """
import medft.compose, medft.cli
print(medft.compose.__file__, medft.compose.settings("train", ["dataset=sample"]).seed)
words = ["list models", "copy template/medical_qa", "train --help", "train lr=1"]
print([medft.cli.main(line.split()) for line in words])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0].split() == [str(site / "medft" / "compose.py"), "3407"]
    assert lines[-1] == "[0, 0, 0, 2]" and "trainer.learning_rate=1" in done.stderr
    assert (tmp_path / "my_conf" / "template" / "my_medical_qa.yaml").is_file()


def test_version_and_notices_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (__version__, project["license"])
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    extras = [
        name for key, names in project["optional-dependencies"].items() if key != "dev" for name in names
    ]
    needed = {re.split(r"[=<>\[;]", name)[0] for name in [*project["dependencies"], *extras]}
    noticed = re.findall(
        r"^\| ([\w.\-]+)[^|]* \|", (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8"), re.M
    )
    assert set(noticed) - {"package"} == needed
