"""Reads the user's own YAML files, laid out like conf/, strictly: errors name the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medft.errors import ConfigError, RunError
from medft.files import read_text

DEEPEST = 100
"""Groups within groups of the deepest settings."""
TOO_DEEP = "its values are nested too deeply"
_NAMED = ("model", "dataset", "template", "trainer")
"""Groups whose files have a name inside, too."""


def yaml_value(content: str, *, references: bool) -> object:
    """The value of a YAML text that nests as little as settings do: libyaml itself falls over deep nesting.

    Args:
        content: the text.
        references: whether it may repeat values by reference, with which a file from elsewhere fills any
            memory.

    Raises:
        ValueError, yaml.YAMLError: it is none.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times faster
    depth = 0
    for event in yaml.parse(content, loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(TOO_DEEP)
        if isinstance(event, yaml.AliasEvent) and not references:
            raise ValueError("it repeats values by reference, which medft never writes")
    return yaml.load(content, loader)  # noqa: S506


def read_own(path: Path) -> dict[str, Any]:
    """The settings in a YAML file of the user's, without those that it takes from other files.

    Raises:
        ConfigError: it cannot be read, is no UTF-8 text, no YAML, or holds no settings.
    """
    import yaml

    try:
        value = yaml_value(read_text(path), references=True)
    except RunError as error:
        raise _unfit(path, error.what.partition(": ")[2]) from None
    except OSError as error:
        raise _unfit(path, error.strerror or type(error).__name__) from None
    except UnicodeDecodeError:
        raise _unfit(path, "it is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise _unfit(path, f"it is not valid YAML: {error.problem}", line) from None
    except (ValueError, yaml.YAMLError) as error:
        raise _unfit(path, next(iter(str(error).splitlines()), type(error).__name__)[:200]) from None
    if not isinstance(value, dict | None):
        raise _unfit(path, "it holds no settings, such as name: ...")
    return value or {}


def first_fault(folders: Sequence[Path]) -> ConfigError | None:
    """What is wrong with the first file of these folders with which something is."""
    for path in sorted(path for folder in folders for path in folder.glob("*/*.yaml")):
        try:
            values = read_own(path)
        except ConfigError as error:
            return error
        if (
            path.parent.name in _NAMED
            and not isinstance(values.get("name"), str)
            and "defaults" not in values
        ):
            return _unfit(path, "it has no name: ...")
    return None


def _unfit(path: Path, why: str, line: str = "") -> ConfigError:
    return ConfigError(f"{path.name} cannot be used: {why}", where=f"{path}{line}", remedy="correct the file")
