"""medft copy: a shipped recipe (a YAML file of conf/) into a folder of yours, to edit."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft.compose import group_options
from medft.config import did_you_mean, nearest
from medft.errors import ConfigError
from medft.files import write_text
from medft.paths import conf_dir
from medft.screen import Screen

EXAMPLES = (
    "medft copy model/mistral my_conf",
    "medft copy template/medical_qa my_conf name=ward",
    "medft copy experiment/llm7b_medical my_conf",
)
PLAIN_WORDS = True
"""It takes words without a key."""
_NAME = re.compile(r"\w[\w.\-]*")


@dataclass(frozen=True, slots=True)
class CopyConfig:
    """What is copied, and where."""

    what: str
    """Group and file, as `medft list` names them: model/mistral."""
    folder: Path = Path("my_conf")
    """Your folder, laid out like conf/; any command reads it with --config-dir."""
    name: str | None = None
    """Name of the copy; null: my_ and the old name, since a shipped name cannot be reused."""

    def __post_init__(self) -> None:
        if self.name is not None and not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"'{self.name}' cannot name a file of settings",
                remedy="use letters, digits, and . _ - after the first",
            )


def expand(overrides: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """`medft copy model/mistral my_conf` for `medft copy what=model/mistral folder=my_conf`.

    Raises:
        ConfigError: more than two such words.
    """
    groups = group_options()
    words = [w.replace("=", "/", 1) if w.partition("=")[0] in groups else w for w in overrides]
    plain = [word for word in words if "=" not in word]
    if len(plain) > 2:
        raise ConfigError(f"one file at a time, not {', '.join(plain[:-1])}", remedy=EXAMPLES[0])
    return [word for word in words if "=" in word], dict(zip(("what", "folder"), plain, strict=False))


def run(config: CopyConfig) -> None:
    """Copy the file under a name of its own, and say how it is used.

    Raises:
        ConfigError: there is no such file, or the copy's name is taken.
    """
    group, option = _known(config.what)
    name = config.name or f"my_{option}"
    target = config.folder / group / f"{name}.yaml"
    if name in group_options()[group]:
        raise ConfigError(
            f"{group} '{name}' is a name that medft itself uses", remedy="choose another name=..."
        )
    if target.exists():
        raise ConfigError("this file exists already", where=str(target), remedy="choose another name=...")
    text = (conf_dir() / group / f"{option}.yaml").read_text(encoding="utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, _renamed(text, group, option, name))
    verb = {"suite": "evaluate", "study": "study"}.get(group, "train")
    screen = Screen()
    screen.line("wrote", str(target))
    screen.line(
        "next",
        f"edit it, then run: medft {verb} --config-dir {shlex.quote(str(config.folder))} {group}={name}",
    )


def _known(what: str) -> tuple[str, str]:
    """The group and the file that ``what`` names."""
    groups = group_options()
    group, _, option = what.partition("/")
    if group not in groups:
        group = nearest(group.removesuffix("s"), groups) or group
    options = groups.get(group)
    if options is None or option not in options:
        near = nearest(option, options or ())
        known = options if options is not None else groups
        raise ConfigError(
            f"there is no '{what}' to copy" + did_you_mean(f"{group}/{near}" if near else None),
            remedy=f"choose one of: {', '.join(known)}",
        )
    return group, option


def _renamed(text: str, group: str, option: str, name: str) -> str:
    """The file's text with the new name where it says its own, which names run folders and metrics."""
    text = re.sub(rf"^name: {re.escape(option)}$", f"name: {name}", text, count=1, flags=re.MULTILINE)
    return text.replace(f"# @package {group}.{option}\n", f"# @package {group}.{name}\n", 1)
