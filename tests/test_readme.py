"""What README promises: commands that compose, pictures that exist, no address or path of a machine."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from medft.cli import VERBS
from medft.compose import group_options, settings
from medft.errors import RunError
from medft.first_contact import first_contact
from medft.overrides import readable

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", README, re.M | re.S)
LINES = [line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines()]
COMMANDS = sorted({line for line in LINES if line.startswith("medft ") and "runs/" not in line})


def test_every_command_is_named() -> None:
    assert set(re.findall(r"`medft (\w+)`", README)) == set(VERBS)
    assert COMMANDS


@pytest.mark.parametrize("command", [c for c in COMMANDS if " -m " not in c])
def test_every_command_composes(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.csv").write_text("Frage,Antwort\nWas ist Gicht?,Eine Gelenkentzündung.\n", encoding="utf-8")
    verb, *words = shlex.split(command)[1:]
    try:
        met = first_contact(verb, words, group_options()["dataset"])
        assert settings(verb, readable(met.overrides))
    except RunError as error:  # `resume=latest` wants a run that is there
        assert "resume=latest" in command and "there is no" in error.what


def test_the_pictures_are_there() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    for path in pictures:
        assert (ROOT / path).is_file(), path


def test_the_lock_holds_versions_and_hashes_but_no_address() -> None:
    for name in ("requirements.lock", "bootstrap.lock"):
        lock = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in lock
        pins = re.findall(r"^[\w.\-]+==", lock, re.M)
        assert pins
        blocks = re.split(r"^(?=[\w.\-]+==)", lock, flags=re.M)[1:]
        assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
