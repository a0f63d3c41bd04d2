"""The parts of a run folder that a model card speaks of, read one by one.

Owns tolerant reading: what the folder does not hold is empty or None here. Knows nothing of wording.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft.data.record import SPLITS
from medft.report.subject import number, read_figures


@dataclass(frozen=True, slots=True)
class Source:
    """One data set that was trained on."""

    name: str
    """Its name in the configuration."""
    repo: str
    """Hub id, or empty."""
    homepage: str
    """Where it is described, or empty."""
    licence: str
    """Licence in words or as an SPDX id."""
    licence_note: str
    """What follows from it, or empty."""
    language: str
    """ISO 639-1 code."""
    version: str
    """Commit of a hub data set, digest of a file's bytes; empty when the ledger names none."""
    rows_in: int | None
    """Rows met."""
    kept: Mapping[str, int]
    """Rows kept, by split."""
    dropped: Mapping[str, int]
    """Rows dropped, by reason."""


@dataclass(frozen=True, slots=True)
class Score:
    """One figure of an evaluation with its interval."""

    suite: str
    """Name of the suite, and of its part."""
    metric: str
    """What was measured, and which way is better."""
    system: str
    """Who answered: the base, the adapter, the merged weights."""
    value: float
    """The figure."""
    low: float | None
    """Lower end of the 95% interval; None when the folder has none."""
    high: float | None
    """Upper end."""
    n: int | None
    """Items it was computed on."""


def read_sources(dataset: Mapping[str, Any], ledger: Mapping[str, Any]) -> Iterator[Source]:
    """The data sets of the configuration, each with its account from the ledger."""
    accounts = {text(s.get("name")): s for s in ledger.get("sources") or () if isinstance(s, Mapping)}
    members = mapping(dataset, "sources") or ({text(dataset.get("name")): dataset} if dataset else {})
    for name, settings in members.items():
        account = accounts.get(name, {})
        yield Source(
            name=text(settings.get("name")) or name,
            repo=text(settings.get("repo")),
            homepage=text(settings.get("homepage")),
            licence=text(settings.get("licence") or account.get("licence")) or "unknown",
            licence_note=text(settings.get("licence_note")),
            language=text(settings.get("language")),
            version=text(account.get("fingerprint")),
            rows_in=account.get("rows_in"),
            kept=mapping(account, "kept"),
            dropped=mapping(account, "dropped"),
        )


def read_recipe(config: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    """The settings a reader would need to judge the training; unset ones are left out."""
    trainer, lora, engine = (mapping(config, key) for key in ("trainer", "lora", "engine"))
    chosen = {
        "engine": summary.get("engine") or engine.get("name"),
        "4-bit base (NF4)": engine.get("load_in_4bit"),
        "LoRA rank": lora.get("r"),
        "LoRA alpha": lora.get("alpha"),
        "LoRA dropout": lora.get("dropout"),
        "rank-stabilised": lora.get("use_rslora"),
        "DoRA": lora.get("use_dora"),
        "target modules": ", ".join(strings(lora.get("target_modules"))),
        "epochs": trainer.get("epochs"),
        "steps": summary.get("steps") or trainer.get("max_steps"),
        "rows per step": _product(trainer, "per_device_batch_size", "gradient_accumulation_steps"),
        "longest row, tokens": trainer.get("max_length"),
        "learning rate": trainer.get("learning_rate"),
        "schedule": trainer.get("lr_scheduler"),
        "warm-up steps": trainer.get("warmup_steps"),
        "optimiser": trainer.get("optimizer"),
        "weight decay": trainer.get("weight_decay"),
        "packing": trainer.get("packing"),
        "NEFTune alpha": trainer.get("neftune_noise_alpha"),
        "seed": config.get("seed"),
    }
    return {name: value for name, value in chosen.items() if value not in (None, "")}


def read_losses(path: Path) -> dict[str, tuple[float, float]]:
    """First and last loss of each split in loss.csv; empty when there is no usable file."""
    from medft.errors import DataError
    from medft.report.series import read_curve

    if not path.is_file():
        return {}
    try:
        curve = read_curve(path)
    except DataError:
        return {}  # an empty loss.csv proves nothing, and the card then claims nothing
    found = {}
    for split in SPLITS:
        _, losses = curve.points(split, "step", "loss")
        if len(losses):
            found[split] = (float(losses[0]), float(losses[-1]))
    return found


def read_scores(folder: Path) -> Iterator[Score]:
    """Every figure of every system in ``evaluation/*.json``, suite by suite."""
    for suite, figure in _figures(folder):
        better = "" if figure.get("higher_is_better", True) else " (lower is better)"
        for system, estimate in mapping(figure, "systems").items():
            value = number(estimate, "value") if isinstance(estimate, Mapping) else None
            if value is not None:
                count = estimate.get("n")
                yield Score(
                    suite=suite,
                    metric=text(figure.get("name")) + better,
                    system=str(system),
                    value=value,
                    low=number(estimate, "low"),
                    high=number(estimate, "high"),
                    n=count if isinstance(count, int) else None,
                )


def read_differences(folder: Path) -> Iterator[str]:
    """The paired comparisons in ``evaluation/*.json``, in the words of the evaluation."""
    for suite, figure in _figures(folder):
        for pair, difference in mapping(figure, "differences").items():
            if isinstance(difference, Mapping) and difference.get("words"):
                yield f"{suite}, {text(figure.get('name'))}, {pair}: {text(difference['words'])}"


def _figures(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path in sorted(folder.glob("*.json")):
        report = read_figures(path)
        for figure in report.get("figures") or ():
            if isinstance(figure, Mapping):
                part = text(figure.get("group"))
                name = text(report.get("suite")) or path.stem
                yield f"{name}: {part}" if part else name, figure


def read_decontamination(dataset: Mapping[str, Any], ledger: Mapping[str, Any]) -> Iterator[str]:
    """How benchmarks were kept out, as far as configuration and ledger say it."""
    from medft.data.cleaning.contamination import CONTAMINATED

    if dataset.get("decontaminate") and ledger:
        dropped = sum(
            count
            for source in ledger.get("sources") or ()
            for reason, count in mapping(source, "dropped").items()
            if reason == CONTAMINATED
        )
        yield (f"Rows that repeat 13 words in a row of a list of held-out texts were dropped: {dropped:,}.")


def read_versions(environment: Mapping[str, Any]) -> dict[str, str]:
    """Python and installed packages with their versions; medft's with its commit."""
    packages = mapping(environment, "packages")
    found = {"python": text(environment.get("python"))} if environment.get("python") else {}
    found |= {str(name): text(version) for name, version in packages.items() if version != "not installed"}
    if "medft" in found and environment.get("commit"):
        found["medft"] += f" ({text(environment['commit'])})"
    return found


def read_hardware(machine: Mapping[str, Any]) -> str:
    """The GPUs of the machine, such as ``2 x Tesla T4``; empty without any."""
    names = [text(gpu.get("name")) for gpu in machine.get("gpus") or () if isinstance(gpu, Mapping)]
    return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names) if name)


def public_name(base: Any) -> str:
    """A hub id as it is; of a local folder only the last name, since the rest tells of a machine."""
    name = text(base)
    return Path(name).name if name.startswith((".", "/", "~")) or name.count("/") > 1 else name


def mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The group under ``key``; empty when it is missing or no group."""
    value = values.get(key)
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str:
    """A scalar in words; empty for null and for groups."""
    return "" if value is None or isinstance(value, Mapping | list) else str(value)


def strings(value: Any) -> tuple[str, ...]:
    """A list of texts; a single text counts as one, a group as ``key: value`` lines."""
    if isinstance(value, Mapping):
        return tuple(f"{key}: {item}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(str(item) for item in value)
    return (str(value),) if value else ()


def _product(values: Mapping[str, Any], *keys: str) -> int | None:
    factors = [values.get(key) for key in keys]
    if not all(isinstance(factor, int) for factor in factors):
        return None
    product = 1
    for factor in factors:
        product *= int(factor or 0)
    return product
