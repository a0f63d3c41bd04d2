"""Names of settings, values and commands in other fine-tuning tools (other_tools.yaml)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_suffix(".yaml")
TOOLS = {
    "axolotl": "Axolotl",
    "llama_factory": "LLaMA-Factory",
    "swift": "ms-swift",
    "trl": "TRL and peft",
    "unsloth": "Unsloth",
}
"""The tools of the table, by the key that they have in it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, and its names in other tools."""

    key: str
    """What it is called here."""
    names: Mapping[str, tuple[str, ...]]
    """By tool, and under ``also`` what else people write."""
    note: str
    """What differs; may be empty."""
    values: Mapping[str, str]
    """What some of their values are here."""
    value: str
    """What to write where another value cannot be taken over; may be empty."""

    def to_write(self, name: str, value: object) -> str:
        """This setting on a command line, with the value that was given to it as ``name``."""
        if (theirs := str(value).lower()) in self.values:
            return f"{self.key}={self.values[theirs]}"
        same = name == self.key.rpartition(".")[2]
        return written(self.key, value) if same or not self.value else self.value


def written(key: str, value: object) -> str:
    """``key`` with ``value`` as a command line takes it."""
    if isinstance(value, bool | None):
        return f"{key}={ {None: 'null', True: 'true', False: 'false'}[value] }"
    if isinstance(value, list | tuple):
        return f"{key}=[{','.join(map(str, value))}]"
    return f"{key}={value}"


def settings() -> tuple[Setting, ...]:
    """Every setting of the table."""
    table = _table()["settings"].items()
    return tuple(
        Setting(
            key,
            {tool: tuple(entry.get(tool, ())) for tool in (*TOOLS, "also")},
            entry.get("note", ""),
            entry.get("values", {}),
            entry.get("value", ""),
        )
        for key, entry in table
    )


def unmatched() -> tuple[tuple[Sequence[str], str], ...]:
    """Names of settings that have none here, with the reason."""
    return tuple((entry["names"], entry["say"]) for entry in _table()["none"])


def called_here(name: str) -> Setting | None:
    """The setting that another tool calls ``name``; several tools may, of which the first counts."""
    return _by_name().get(_folded(name))


def reason(name: str) -> str:
    """Why nothing here is called ``name``; empty where that is not known."""
    return next((say for names, say in unmatched() if _folded(name) in names), "")


def instead(setting: str, value: object) -> str:
    """What to write instead of a value that ``setting`` does not have; empty where that is not known."""
    values = _table()["values"]
    found = values.get(setting) or values.get(setting.rpartition(".")[2]) or {}
    said: str = found.get(_folded(str(value)), "")
    return said


def command(name: str) -> str | None:
    """The command that another tool calls ``name``."""
    table = _table()["commands"].items()
    return next((ours for ours, names in table if name.lower() in names), None)


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


@functools.cache
def _by_name() -> dict[str, Setting]:
    """Exact names before other words for them, whatever stands first in the file."""
    found: dict[str, Setting] = {}
    for also in (False, True):
        for setting in settings():
            for tool, names in setting.names.items():
                for name in names if (tool == "also") == also else ():
                    found.setdefault(name, setting)
    return found


@functools.cache
def _table() -> dict[str, Any]:
    import yaml

    table: dict[str, Any] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return table
