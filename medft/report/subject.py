"""What a run is, as far as a report can know it: model, data set, template, settings, figures, fingerprints.

Owns tolerant reading of a run folder: a file or key that is missing is unknown, never an error, since a running
or killed run is worth looking at too. Knows nothing of figures and tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft.errors import RunError
from medft.runs import RunDir, read_json


@dataclass(frozen=True, slots=True)
class Identity:
    """The three axes of a run."""

    model: str
    """Name of the base model; empty when unknown, as the other two."""
    dataset: str
    """Name of the data set."""
    template: str
    """Name of the prompt template."""
    tiny: bool
    """Whether a tiny twin stood in for the base."""

    @property
    def title(self) -> str:
        """model x dataset x template, what is unknown left out."""
        model = self.model + " (tiny)" * self.tiny
        return " × ".join(part for part in (model, self.dataset, self.template) if part)


def identify(run: RunDir) -> Identity:
    """The identity of a run from its configuration; the folder's own name where that does not say it."""
    config, summary = read_settings(run.config), read_figures(run.summary)
    names = {
        key: _name(config.get(key)) or str(summary.get(key, "")) for key in ("model", "dataset", "template")
    }
    if not any(names.values()):
        names["model"] = run.root.parent.name
    scale = summary.get("scale") or config.get("scale")
    return Identity(**names, tiny=scale == "tiny" or "-tiny-" in f"{run.root.parent.name}-")


def _name(value: Any) -> str:
    return str(value.get("name", "")) if isinstance(value, Mapping) else str(value or "")


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; empty when there is none.

    Raises:
        RunError: the file is there but is not a YAML mapping.
    """
    import yaml

    if not path.is_file():
        return {}
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RunError(f"{path.name} is damaged: {type(error).__name__}", where=str(path)) from None
    return value if isinstance(value, dict) else {}


def read_figures(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty when there is none.

    Raises:
        RunError: the file is there but is not JSON.
    """
    value = read_json(path) if path.is_file() else {}
    return value if isinstance(value, dict) else {}
