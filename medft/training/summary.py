"""summary.json and the run's ledger.json: the figures of a finished run, and what they rest on."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from medft.aliases import Json
from medft.config import plain
from medft.data.ledger import Ledger
from medft.prompt.config import TemplateConfig
from medft.prompt.tokens import EncodedSplit
from medft.runs import RunDir
from medft.runs.losses import rows_asked, train_means
from medft.runs.record import RunRecord
from medft.training.result import Outcome


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What two runs must share for their losses to be comparable."""

    data: str
    """Content of all splits."""
    split: str
    """Content of validation and test."""
    tokenizer: str
    """Vocabulary, merges, special tokens and chat template."""
    template: str
    """The words around a record."""

    @classmethod
    def of(cls, ledger: Ledger, tokenizer: str, template: TemplateConfig) -> Fingerprints:
        """The fingerprints of prepared data, a tokenizer and a template."""
        prints = ledger.fingerprints
        words = json.dumps(plain(template), sort_keys=True)
        return cls(
            data=_digest(prints["train"] + prints["validation"] + prints["test"]),
            split=_digest(prints["validation"] + prints["test"]),
            tokenizer=tokenizer,
            template=_digest(words),
        )


def ledger_json(
    ledger: Ledger, splits: Mapping[str, EncodedSplit], prints: Fingerprints
) -> dict[str, object]:
    """The run's ledger: the data set's own, what encoding cut or dropped, and the fingerprints."""
    account = ledger.to_json()
    encoding = {
        name: {k: v for k, v in plain(split).items() if k != "path"} for name, split in splits.items()
    }
    return {**account, "encoding": encoding, "fingerprints": {**account["fingerprints"], **plain(prints)}}


def summarise(
    names: Json,
    run: RunDir,
    outcome: Outcome,
    prints: Fingerprints,
    merge: Json | None,
) -> dict[str, object]:
    """The JSON of summary.json.

    Args:
        names: model, dataset, template, engine, scale, seed and such, as they are to be read.
        run: the folder, for its loss.csv.
        outcome: what the training came to.
        prints: what the run rests on.
        merge: the merge's report and verification; None without merged weights.
    """
    with run.loss_csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    train = [row for row in rows if row["split"] == "train"]
    steps, losses = ([float(row[column]) for row in train] for column in ("step", "loss"))
    validation = [row for row in rows if row["split"] == "validation"]
    last = _final(validation, outcome.best_step)
    return {
        "name": f"{run.root.parent.name}/{run.root.name}",
        "state": "finished",
        **names,
        "steps": outcome.steps,
        "stopped_by": outcome.stopped_by,
        "best_step": outcome.best_step,
        **train_means(steps, losses),
        "base_validation_loss": _before(validation, "loss"),
        "base_bits_per_byte": _before(validation, "bits_per_byte"),
        "validation_loss": float(last["loss"]) if last else None,
        "bits_per_byte": float(last["bits_per_byte"]) if last and last["bits_per_byte"] else None,
        "test_loss": outcome.test.get("loss"),
        "test_bits_per_byte": outcome.test.get("bits_per_byte"),
        "loss_rows": rows_asked(RunRecord(run)),
        "tokens": outcome.tokens,
        "tokens_per_second": round(outcome.tokens_per_second, 1),
        "non_pad_share": round(1 / outcome.padding_ratio, 4),
        "seconds": round(outcome.seconds, 2),
        "step_seconds": round(outcome.step_seconds, 2),
        "validation_seconds": round(outcome.validation_seconds, 2),
        "saving_seconds": round(outcome.saving_seconds, 2),
        "peak_memory_bytes": outcome.peak_memory_bytes,
        "fingerprints": plain(prints),
        "merge": merge,
    }


def _final(validation: list[dict[str, str]], best_step: int | None) -> dict[str, str] | None:
    """The validation of the weights that were kept."""
    kept = [row for row in validation if best_step is None or int(row["step"]) == best_step]
    return kept[-1] if kept else None


def _before(validation: list[dict[str, str]], column: str) -> float | None:
    """A figure of the base model, from the validation before step 1."""
    first = next((row for row in validation if int(row["step"]) == 0), None)
    return float(first[column]) if first and first[column] else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
