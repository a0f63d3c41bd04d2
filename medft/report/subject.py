"""What a report can know of a run: what was trained, its settings, figures and fingerprints, its curve.

Owns tolerant reading of a run folder: a file or key that is missing is unknown, never an error, since a
running or killed run is worth looking at too. Knows nothing of figures, tables or comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft.errors import RunError
from medft.files import read_json
from medft.report.series import Curve, read_curve
from medft.runs import RunDir

FINGERPRINTS = ("data", "split", "template", "tokenizer")


@dataclass(frozen=True, slots=True)
class Identity:
    """The three axes of a run; an axis is empty when it is unknown."""

    model: str
    """Name of the base model."""
    dataset: str
    """Name of the data set."""
    template: str
    """Name of the prompt template."""
    tiny: bool
    """Whether a tiny twin stood in for the base."""

    @property
    def model_name(self) -> str:
        """The model, and whether it was its tiny twin."""
        return f"{self.model} (tiny)" if self.tiny else self.model

    @property
    def title(self) -> str:
        """model x dataset x template, what is unknown left out."""
        return " × ".join(part for part in (self.model_name, self.dataset, self.template) if part)


@dataclass(frozen=True, slots=True)
class Subject:
    """One curve that takes part in a comparison, with what is known of where it came from."""

    path: Path
    """The run folder, or the csv file of another trainer."""
    identity: Identity
    """What was trained."""
    curve: Curve
    """Its losses."""
    settings: Mapping[str, str]
    """The composed configuration by dotted key; empty for a file."""
    figures: Mapping[str, Any]
    """summary.json; empty for a file or an unfinished run."""
    fingerprints: Mapping[str, str]
    """data, split, template, tokenizer; those that are known."""
    seed: str | None
    """The seed; None when unknown."""
    state: str
    """State of the run; ``file`` for a file."""

    def final(self, metric: str) -> float | None:
        """The last validation value of ``bits_per_byte`` or ``loss``: as in the summary, else in the
        curve."""
        key = {"loss": "validation_loss"}.get(metric, metric)
        value = number(self.figures, key)
        return value if value is not None else self.curve.last("validation", metric)


def of_run(run: RunDir) -> Subject:
    """The subject that a run folder holds.

    Raises:
        DataError: there is no readable loss.csv.
        RunError: a file of the folder is damaged.
    """
    config, summary = read_settings(run.config), read_figures(run.summary)
    prints = {**(read_figures(run.ledger).get("fingerprints") or {}), **(summary.get("fingerprints") or {})}
    used = {f"{key} used": str(summary[key]) for key in ("engine", "scale") if key in summary}
    seed = config.get("seed", summary.get("seed"))
    return Subject(
        path=run.root,
        identity=identify(run),
        curve=read_curve(run.loss_csv),
        settings=flatten(config) | used,
        figures=summary,
        fingerprints={key: str(prints[key]) for key in FINGERPRINTS if prints.get(key)},
        seed=None if seed is None else str(seed),
        state=run.state(),
    )


def of_file(path: Path) -> Subject:
    """The subject that a csv file of another trainer holds; its name stands for the model.

    Raises:
        DataError: it cannot be read.
    """
    name = path.stem.removesuffix("_loss") or path.stem
    identity = Identity(model=name, dataset="", template="", tiny=False)
    return Subject(path, identity, read_curve(path), {}, {}, {}, None, "file")


def identify(run: RunDir) -> Identity:
    """The identity of a run from its configuration; the folder's own name where that does not say it."""
    config, summary = read_settings(run.config), read_figures(run.summary)
    model, dataset, template = (
        _name(config.get(key)) or str(summary.get(key, "")) for key in ("model", "dataset", "template")
    )
    resolved = read_figures(run.environment).get("resolved")
    known = {**config, **(resolved if isinstance(resolved, dict) else {}), **summary}
    tiny = known.get("scale") == "tiny" or "-tiny-" in f"{run.root.parent.name}-"
    if not (model or dataset or template):
        model = run.root.parent.name
    return Identity(model, dataset, template, tiny)


def number(figures: Mapping[str, Any], key: str) -> float | None:
    """The number under ``key``; None when it is missing or not a number."""
    value = figures.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted keys and their values in words; lists stay whole, empty groups vanish."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = _word(value)
    return flat


def _word(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"  # 3e-05, not 3.0000000000000004e-05
    return "null" if value is None else str(value)


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; empty when there is none.

    Raises:
        RunError: the file is there but is not YAML.
    """
    import yaml

    if not path.is_file():
        return {}
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RunError(f"{path.name} is damaged: {type(error).__name__}", where=str(path)) from None
    return value if isinstance(value, dict) else {}


def _loader() -> Any:
    """PyYAML's safe loader, in C where libyaml is there: ten times faster on fifty configurations."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_figures(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty when there is none.

    Raises:
        RunError: the file is there but is not JSON.
    """
    value = read_json(path) if path.is_file() else {}
    return value if isinstance(value, dict) else {}


def _name(value: Any) -> str:
    return str(value.get("name", "")) if isinstance(value, Mapping) else str(value or "")
