"""Reads the files of a run folder, whatever their age.

A file is parsed when it is first asked for. One that is missing is empty, since an unfinished run is worth
looking at; one that is damaged, and a folder of a newer format, is an error that names it. What a command
cannot do without it asks for with ``RunRecord.demand``.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

from medft.aliases import Json
from medft.config import build
from medft.errors import ConfigError, RunError
from medft.files import read_text
from medft.own_settings import TOO_DEEP, yaml_value
from medft.runs.folder import RunDir
from medft.runs.migrate import FORMAT, migrate
from medft.runs.values import mapping, mappings, text

T = TypeVar("T")
Part = Literal["settings", "environment", "plan", "ledger", "summary"]

FINGERPRINTS = ("data", "split", "template", "tokenizer")
RESTORE = "copy the complete run folder again, or train again"


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


@dataclass(frozen=True)
class RunRecord:
    """The content of one run folder, in today's names.

    Raises:
        RunError: on first access, a damaged file or a folder of a newer format.
    """

    run: RunDir
    """The folder."""

    @cached_property
    def format(self) -> int:
        """The format of the folder as it lies on disk."""
        number = read_mapping(self.run.environment).get("format", 1)
        if not isinstance(number, int):
            raise _damaged(self.run.environment, "its format is no number")
        if number > FORMAT:
            raise RunError(
                f"the run folder has format {number}, and this version of medft reads formats up to {FORMAT}",
                where=str(self.run.root),
                remedy="update medft",
            )
        return number

    @cached_property
    def settings(self) -> Json:
        """config.yaml: the composed settings."""
        return self._read(self.run.config)

    @cached_property
    def environment(self) -> Json:
        """environment.json: versions, commit, hardware, and what was resolved."""
        return self._read(self.run.environment)

    @cached_property
    def plan(self) -> Json:
        """plan.json: what was expected before step 1."""
        return self._read(self.run.plan)

    @cached_property
    def ledger(self) -> Json:
        """ledger.json: the account of the data, and the fingerprints."""
        return self._read(self.run.ledger)

    @cached_property
    def summary(self) -> Json:
        """summary.json: the results; empty while the run is unfinished."""
        return self._read(self.run.summary)

    @cached_property
    def suites(self) -> dict[str, Json]:
        """evaluation/*.json: the results of each suite, by the name of its file."""
        return {path.stem: self._read(path) for path in sorted(self.run.evaluation.glob("*.json"))}

    def items(self, suite: str) -> list[dict[str, str]]:
        """evaluation/<suite>.items.csv: what each item of a suite scored, by metric; empty without one."""
        file = self.run.evaluation / f"{suite}.items.csv"
        if not file.is_file():
            return []
        with file.open(encoding="utf-8", newline="") as rows:
            return list(csv.DictReader(rows))

    @cached_property
    def identity(self) -> Identity:
        """Model, data set and template from the settings; the folder's own name where they do not say it."""
        model, dataset, template = map(self._named, ("model", "dataset", "template"))
        known = {**self.settings, **mapping(self.environment, "resolved"), **self.summary}
        group = self.run.root.parent.name
        tiny = known.get("scale") == "tiny" or "-tiny-" in f"{group}-"
        return Identity(model if model or dataset or template else group, dataset, template, tiny)

    def _named(self, axis: str) -> str:
        given = self.settings.get(axis)
        return text(given.get("name") if isinstance(given, dict) else given) or text(self.summary.get(axis))

    @property
    def fingerprints(self) -> dict[str, str]:
        """Those of ``FINGERPRINTS`` that are known."""
        known = {**mapping(self.ledger, "fingerprints"), **mapping(self.summary, "fingerprints")}
        return {key: str(known[key]) for key in FINGERPRINTS if known.get(key)}

    @property
    def gpus(self) -> list[str]:
        """The names of the machine's GPUs, as far as they are known."""
        names = [text(gpu.get("name")) for gpu in mappings(mapping(self.environment, "machine"), "gpus")]
        return [name for name in names if name]

    @property
    def scale(self) -> Literal["full", "tiny"]:
        """The scale that the run was trained at.

        Raises:
            RunError: the folder does not say it.
        """
        resolved = self.demand(str, "environment", "resolved", "scale")
        return "tiny" if resolved == "tiny" else "full"

    def demand(self, kind: type[T], part: Part, *keys: str) -> T:
        """What a part says under ``keys``, which the command at hand cannot do without.

        Raises:
            RunError: the file is missing or damaged, or does not say it; it names the file and the keys.
        """
        value: object = getattr(self, part)
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, kind) and value != {}:
            return value
        file: Path = getattr(self.run, "config" if part == "settings" else part)
        what = f"lacks '{'.'.join(keys)}'" if keys and file.is_file() else "is missing or empty"
        raise RunError(f"{file.name} {what}", where=str(file), remedy=RESTORE)

    def built(self, kind: type[T], *keys: str) -> T:
        """The settings under ``keys`` (none: all of them), built and checked as those of a command.

        Raises:
            RunError: config.yaml is missing or damaged, or holds something else.
        """
        try:
            return build(kind, self.demand(dict, "settings", *keys), ".".join(keys))
        except ConfigError as error:
            raise _damaged(self.run.config, error.what) from None

    def _read(self, file: Path) -> dict[str, object]:
        number, values = self.format, read_mapping(file)
        migrate(file.name, values, number)
        return values


def read_mapping(file: Path) -> dict[str, object]:
    """The object in a JSON or YAML file; empty when there is no file.

    Raises:
        RunError: the file is there and does not hold an object.
    """
    import yaml

    if not file.exists():
        return {}
    try:
        content = read_text(file)
        value = yaml_value(content, references=False) if file.suffix == ".yaml" else json.loads(content)
    except RecursionError:
        raise _damaged(file, TOO_DEEP) from None
    except (ValueError, yaml.YAMLError) as error:
        raise _damaged(file, next(iter(str(error).splitlines()), type(error).__name__)) from None
    if not isinstance(value, dict):
        raise _damaged(file, "it does not hold an object")
    return value


def _damaged(file: Path, why: str) -> RunError:
    return RunError(f"{file.name} is damaged: {why}", where=str(file), remedy=RESTORE)
