"""One curve of a comparison, from a run folder or another trainer's csv, with what is known of its origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medft.aliases import Json
from medft.report.series import Curve, read_curve
from medft.runs import RunDir
from medft.runs.record import Identity, RunRecord
from medft.runs.values import flatten, mapping, number


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
    figures: Json
    """summary.json; empty for a file or an unfinished run."""
    fingerprints: Mapping[str, str]
    """data, split, template, tokenizer, and the bytes of the validation answers as they were cut; those that
    are known."""
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
    """The curve of a run, and what its record says.

    Raises:
        DataError: there is no readable loss.csv.
        RunError: a file of the folder is damaged.
    """
    record = RunRecord(run)
    settings = {key: _words(value) for key, value in flatten(record.settings).items()}
    used = {f"{key} used": str(record.summary[key]) for key in ("engine", "scale") if key in record.summary}
    seed = record.settings.get("seed", record.summary.get("seed"))
    return Subject(
        path=run.root,
        identity=record.identity,
        curve=read_curve(run.loss_csv),
        settings=settings | used,
        figures=record.summary,
        fingerprints={**record.fingerprints, **_validation_bytes(record)},
        seed=None if seed is None else str(seed),
        state=run.state(),
    )


def _validation_bytes(record: RunRecord) -> dict[str, str]:
    """Rows are cut at a number of tokens, so that another tokenizer or length leaves other bytes of them."""
    kept = number(mapping(mapping(record.ledger, "encoding"), "validation"), "answer_bytes")
    return {} if kept is None else {"validation_bytes": f"{kept:.0f}"}


def of_file(path: Path) -> Subject:
    """The curve in a csv file of another trainer; the file's name stands for the model.

    Raises:
        DataError: it cannot be read.
    """
    name = path.stem.removesuffix("_loss") or path.stem
    identity = Identity(model=name, dataset="", template="", tiny=False)
    return Subject(path, identity, read_curve(path), {}, {}, {}, None, "file")


def _words(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"  # 3e-05, not 3.0000000000000004e-05
    return "null" if value is None else str(value)
