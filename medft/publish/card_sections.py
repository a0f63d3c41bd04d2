"""The tables and sentences of a model card, from what a run's record says; empty where it says nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medft.aliases import Json
from medft.data.ledger import CONTAMINATED
from medft.report.verdicts import findings
from medft.runs.record import RunRecord, read_mapping
from medft.runs.values import mapping, mappings, number, strings, text


@dataclass(frozen=True, slots=True)
class DataSource:
    """One data set that was trained on."""

    name: str
    """Its name in the configuration."""
    repo: str
    """Hub id, or empty."""
    homepage: str
    """Where it is described, or empty."""
    license: str
    """License in words or as an SPDX id."""
    license_note: str
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
    identifiers: Mapping[str, int]
    """Patterned identifiers that are still in its rows, by kind; empty where they were redacted."""


@dataclass(frozen=True, slots=True)
class Score:
    """One metric of an evaluation with its interval."""

    suite: str
    """Name of the suite, and of its part."""
    metric: str
    """What was measured, and which way is better."""
    system: str
    """Who answered: the base, the adapter, the merged weights."""
    value: float
    """The estimate."""
    low: float | None
    """Lower end of the 95% interval; None when the folder has none."""
    high: float | None
    """Upper end."""
    n: int | None
    """Items it was computed on."""


def sources(record: RunRecord) -> Iterator[DataSource]:
    """The data sets of the settings, each with its account from the ledger."""
    dataset = mapping(record.settings, "dataset")
    accounts = {text(account.get("name")): account for account in mappings(record.ledger, "sources")}
    members = mapping(dataset, "sources") or ({text(dataset.get("name")): dataset} if dataset else {})
    for name in members:
        settings = mapping(members, name)
        account = accounts.get(name, {})
        yield DataSource(
            name=text(settings.get("name")) or name,
            repo=text(settings.get("repo")),
            homepage=text(settings.get("homepage")),
            license=text(settings.get("license") or account.get("license")) or "unknown",
            license_note=text(settings.get("license_note")),
            language=text(settings.get("language")),
            version=text(account.get("fingerprint")),
            rows_in=_whole(account, "rows_in"),
            kept=_counts(account, "kept"),
            dropped=_counts(account, "dropped"),
            identifiers={} if settings.get("phi") == "redact" else _counts(account, "identifiers"),
        )


def _found(record: RunRecord) -> list[str]:
    """The layers that got an adapter, where the settings left them to the model."""
    return sorted(strings(read_mapping(record.run.adapter / "adapter_config.json").get("target_modules")))


def recipe(record: RunRecord) -> dict[str, object]:
    """The settings a reader would need to judge the training; unset ones are left out."""
    trainer, lora, engine = (mapping(record.settings, key) for key in ("trainer", "lora", "engine"))
    rows = [_whole(trainer, key) for key in ("per_device_batch_size", "gradient_accumulation_steps")]
    chosen = {
        "engine": record.summary.get("engine") or engine.get("name"),
        "4-bit base (NF4)": engine.get("load_in_4bit"),
        "LoRA rank": lora.get("r"),
        "LoRA alpha": lora.get("alpha"),
        "LoRA dropout": lora.get("dropout"),
        "rank-stabilised": lora.get("use_rslora"),
        "DoRA": lora.get("use_dora"),
        "target modules": ", ".join(strings(lora.get("target_modules")) or _found(record)),
        "epochs": trainer.get("epochs"),
        "steps": record.summary.get("steps") or trainer.get("max_steps"),
        "rows per step": None if None in rows else math.prod(row or 0 for row in rows),
        "longest row, tokens": trainer.get("max_length"),
        "learning rate": trainer.get("learning_rate"),
        "schedule": trainer.get("lr_scheduler"),
        "warm-up steps": trainer.get("warmup_steps"),
        "optimizer": trainer.get("optimizer"),
        "weight decay": trainer.get("weight_decay"),
        "packing": trainer.get("packing"),
        "NEFTune alpha": trainer.get("neftune_noise_alpha"),
        "seed": record.settings.get("seed"),
    }
    return {name: value for name, value in chosen.items() if value not in (None, "")}


def scores(record: RunRecord) -> Iterator[Score]:
    """Every metric of every system, suite by suite."""
    for suite, metric in _metrics(record):
        better = "" if metric.get("higher_is_better", True) else " (lower is better)"
        systems = mapping(metric, "systems")
        for system in systems:
            estimate = mapping(systems, system)
            if (value := number(estimate, "value")) is not None:
                yield Score(
                    suite=suite,
                    metric=text(metric.get("name")) + better,
                    system=system,
                    value=value,
                    low=number(estimate, "low"),
                    high=number(estimate, "high"),
                    n=_whole(estimate, "n"),
                )


def differences(record: RunRecord) -> Iterator[str]:
    """The paired comparisons, in the words of the evaluation's report."""
    for (suite, part, metric, pair), found in findings(record.suites.values()).items():
        yield f"{': '.join(filter(None, (suite, part)))}, {metric}, {pair}: {found.words}"


def _metrics(record: RunRecord) -> Iterator[tuple[str, Json]]:
    for name, suite in record.suites.items():
        for metric in mappings(suite, "figures"):
            part = text(metric.get("group"))
            said = text(suite.get("suite")) or name
            yield f"{said}: {part}" if part else said, metric


def decontamination(record: RunRecord) -> Iterator[str]:
    """How benchmarks were kept out, as far as settings and ledger say it."""
    accounts = mappings(record.ledger, "sources") if record.ledger else []
    screened = [account for account in accounts if account.get("screened_for")]
    if screened:
        where = "Training rows"
        if len(screened) < len(accounts):
            where += " of " + ", ".join(text(account.get("name")) for account in screened)
        yield f"{where} were screened for the test items of {_listed(screened[0].get('screened_for'))}."
    if accounts and mapping(record.settings, "dataset").get("decontaminate"):
        yield "All were screened for held-out texts that the author listed."
    if screened or (accounts and mapping(record.settings, "dataset").get("decontaminate")):
        dropped = sum(_counts(account, "dropped").get(CONTAMINATED, 0) for account in accounts)
        yield f"Rows dropped for 13 words in a row of one, or most of a shorter question: {dropped:,}."


def _listed(value: object) -> str:
    *most, last = strings(value)
    return f"{', '.join(most)} and {last}" if most else last


def versions(record: RunRecord) -> dict[str, str]:
    """Python and installed packages with their versions; medft's with its commit."""
    environment = record.environment
    packages = {"python": environment.get("python") or "not installed", **mapping(environment, "packages")}
    known = {name: text(version) for name, version in packages.items() if version != "not installed"}
    if "medft" in known and environment.get("commit"):
        known["medft"] += f" ({text(environment['commit'])})"
    return known


def hardware(record: RunRecord) -> str:
    """The GPUs of the machine, such as ``2 x Tesla T4``; empty without any."""
    return ", ".join(f"{record.gpus.count(name)} x {name}" for name in dict.fromkeys(record.gpus))


def _whole(values: Json, key: str) -> int | None:
    value = values.get(key)
    return value if isinstance(value, int) else None


def _counts(values: Json, key: str) -> Mapping[str, int]:
    return {name: count for name, count in mapping(values, key).items() if isinstance(count, int)}
