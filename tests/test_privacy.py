"""docs/privacy.md is true: the verbs on one data set with a planted name and planted keys, and no network."""

from __future__ import annotations

import fnmatch
import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from medft.cli import VERBS, main
from medft.models.tiny import Twin
from tests.support.trained_run import share_twins

PAGE = (Path(__file__).parents[1] / "docs" / "privacy.md").read_text(encoding="utf-8")
NAME = "Xaverius Plantenberg"
KEYS = {
    "HF_TOKEN": "hf_plantedplantedplantedplanted",
    "WANDB_API_KEY": "wandbplanted" * 4,
    "MEDFT_PASSWORD": "pwplanted",
}
COMMANDS = (
    "prepare {data} show=2", "plan {data} trainer.max_steps=2",
    "train {data} trainer.max_steps=2 logger.wandb=offline",
    "evaluate suite=heldout suite.heldout.limit=2 suite.heldout.max_new_tokens=4", "merge",
    "chat questions=asked.txt answers=answered.jsonl max_new_tokens=4", "compare", "runs", "list", "doctor",
    "export format=ollama", "upload repo=ward/net dry_run=true", "rate", "copy template/medical_qa my_conf",
)  # fmt: skip
DATA = "dataset=jsonl dataset.path=ward.jsonl scale=tiny dataset.cleaning.near_duplicates=off"


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory, twins: Callable[[str], Twin]) -> Iterator[Path]:
    """The folder in which every command ran."""
    folder = tmp_path_factory.mktemp("ward")
    twins("mistral")
    (folder / "artifacts").mkdir()
    share_twins(folder / "artifacts" / "tiny")
    rows = [
        {
            "question": f"{NAME}, visit {n}: what is number {n * 7919}?",
            "answer": f"{NAME} has finding {n * 104729}.",
        }
        for n in range(40)
    ]
    (folder / "ward.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "asked.txt").write_text(f"Who is {NAME}?\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for name, value in KEYS.items():
            patch.setenv(name, value)
        patch.setattr(socket, "getaddrinfo", _no_name)
        patch.setattr(socket.socket, "connect", _no_way)
        for command in COMMANDS:
            assert main(command.format(data=DATA).split()) == 0, command
        yield folder


def _no_name(host: Any, *rest: Any, **more: Any) -> Any:
    raise AssertionError(f"a name was asked for: {host}")


def _no_way(own: socket.socket, address: Any) -> Any:
    raise AssertionError(f"another machine was called: {address}")


def _texts(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "tiny" not in path.relative_to(folder).parts[1:2]:
            content = path.read_bytes()
            if path.suffix == ".parquet":
                content += str(pq.read_table(path).to_pylist()).encode()
            yield str(path.relative_to(folder)), content


def _holding(folder: Path) -> list[str]:
    """Where the planted name stands, beside what the user has made."""
    own = ("ward.jsonl", "asked.txt", "answered.jsonl")
    return [name for name, content in _texts(folder) if NAME.encode() in content and name not in own]


def test_every_verb_is_on_the_page_and_most_are_run() -> None:
    said = set(re.findall(r"`([a-z]+)[ `]", PAGE.partition("## Where patient texts")[0]))
    assert set(VERBS) <= said
    assert set(VERBS) - {command.split()[0] for command in COMMANDS} == {
        "serve", "replay", "study",  # a study runs train and evaluate
        "delete",  # the last test
    }  # fmt: skip


def test_a_planted_key_stands_nowhere(ward: Path) -> None:
    found = [
        (name, key)
        for name, content in _texts(ward)
        for key, value in KEYS.items()
        if value.encode() in content
    ]
    assert found == []


def test_a_planted_name_stands_only_where_the_page_says(ward: Path) -> None:
    places = re.findall(
        r"^\| `((?:data|artifacts)/[^`]+)`", PAGE.partition("## Where patient texts")[2], re.M
    )
    holding = _holding(ward)
    assert [
        n for n in holding if not any(fnmatch.fnmatch(n, p if p[-1] != "/" else f"{p}*") for p in places)
    ] == []
    for place in ("data/processed/*/*.parquet", "artifacts/runs/*/*/evaluation/*"):
        assert place in places and fnmatch.filter(holding, place), f"the page says more than is true: {place}"


def test_deleting_a_run_with_its_data_leaves_what_it_names(
    ward: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = next((ward / "artifacts" / "runs").glob("*/*"))
    assert main(["delete", f"run={run}", "data=true", "yes=true"]) == 0
    said = capsys.readouterr().out
    assert not run.exists() and not list(ward.glob("data/processed/*/*.parquet"))
    left = {f"{top}/{folder}" for top, folder, *_ in (name.split("/") for name in _holding(ward))}
    assert all(place in said for place in left), left
    weights = [path for path in (ward / "artifacts").rglob("*.safetensors") if "tiny" not in path.parts]
    assert all("artifacts/upload" in str(path) for path in weights) and "artifacts/upload" in said
