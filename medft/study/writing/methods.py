"""The methods section, from the settings and records of the runs, exact enough to be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medft.aliases import Json
from medft.format import UNKNOWN, counted, size
from medft.publish.card_sections import decontamination, hardware, recipe, sources, versions
from medft.publish.prompts import prompts
from medft.report.blocks import Block, Section, Table, Text
from medft.runs.record import RunRecord, read_mapping
from medft.runs.values import mapping, number, strings, text
from medft.study.writing.arms import Arm, Study
from medft.study.writing.rows import by_dataset

STATISTICS = (
    "Items are the units of every test; items that share a document or a patient count as one. Shares have "
    "exact intervals (Clopper-Pearson), other means Hall's interval, corrected for skewness. Differences are "
    "paired on the same items: McNemar's test with mid-p and Tango's interval for shares, a sign-flip "
    "permutation test together with a t-test corrected for skewness otherwise. Scores of several seeds are "
    "averaged by item before; two cells differ only where Welch's t-test over their seeds says so, too. "
    "Two-sided, 5%, Holm's correction within the primary outcome and within each other group of outcomes. "
    "docs/evaluation.md says what simulations found of them."
)


def section(study: Study) -> Section:
    """The methods."""
    if not study.records:
        return Section(
            "Methods", [Text(design(study)), Text("No run finished, so there are no methods to report.")]
        )
    blocks: list[Block] = [Text(design(study)), Text("Models:"), models(study), Text("Data:"), data(study)]
    blocks += [Text("\n".join(preparation(study))), Text("Prompts:"), wordings(study)]
    blocks += [Text("Training, what all cells share:"), *_recipes(study)]
    blocks += [Text("Suites:"), suites(study), Text(machine(study)), Text(STATISTICS)]
    return Section("Methods", blocks)


def design(study: Study) -> str:
    """Cells, seeds, comparisons and the outcome named in advance."""
    config = study.config
    varied = "".join(f", {key} ({', '.join(map(str, of))})" for key, of in config.vary.items())
    suite, part, metric = study.primary
    planned = sized(read_mapping(study.folder.plan))
    return (
        f"{counted(len(study.arms), 'cell')}: models ({', '.join(config.models)}) × data sets "
        f"({', '.join(config.datasets)}) × prompts ({', '.join(config.templates)}){varied}, "
        f"each trained with {counted(len(config.seeds), 'seed')} ({', '.join(map(str, config.seeds))}). "
        "Controls: the base of each model, asked the same items. "
        f"Primary outcome: {': '.join(filter(None, (suite, part, metric)))}. "
        f"{planned}"
    )


def sized(plan: Json) -> str:
    """What the items and seeds could show, as it was told before the first run; empty where it was not."""
    power = mapping(plan, "power")
    smallest, items = number(power, "smallest"), number(power, "items")
    if smallest is None or items is None:
        return ""
    basis = text(power.get("basis"))
    unit = f" ({basis})" if basis else " standard deviations of the items' differences"
    tests = counted(round(number(power, "tests") or 0), "comparison")
    return (
        f"Planned: {counted(round(items), 'item')} and {tests} "
        f"detect a difference of {smallest:.3f}{unit} in four of five studies."
    )


def models(study: Study) -> Table:
    """The bases, by hub id and commit."""
    rows = dict.fromkeys(_model(arm.records[0]) for arm in study.finished)
    columns = ("model", "trained on", "commit", "merged into", "its commit", "license", "tokenizer")
    return Table(columns, tuple(rows))


def _model(record: RunRecord) -> tuple[str, ...]:
    model = mapping(record.settings, "model")
    base, merged = public(model.get("base")), public(model.get("base_16bit") or model.get("base"))
    if file := mapping(record.summary, "base_file"):
        base += f", weights of {public(file.get('file'))}, SHA-256 {text(file.get('sha256'))[:12]}"
    own = text(model.get("revision")) or "not pinned"
    same = merged == public(model.get("base"))
    other = text(model.get("revision_16bit")) or ("as trained on" if same else "not pinned")
    license = text(model.get("license_name") or model.get("license")) or "unknown"
    tokenizer = record.fingerprints.get("tokenizer", UNKNOWN)[:12]
    return record.identity.model_name, base, own, merged, other, license, tokenizer


def public(base: object) -> str:
    """A hub id as it is; of a local folder its last name, since the rest tells of a machine."""
    name = text(base)
    local = name.startswith((".", "/", "~")) or name.count("/") > 1
    return f"{Path(name).name} (a local folder)" if local else name


def data(study: Study) -> Table:
    """The sources, their licenses and versions, and the rows of each split."""
    rows = []
    for name, record in by_dataset(study).items():
        for source in sources(record):
            splits = ", ".join(f"{split} {count:,}" for split, count in source.kept.items())
            read = UNKNOWN if source.rows_in is None else f"{source.rows_in:,}"
            where = source.homepage or source.repo or "a file"
            rows.append(
                (name, source.name, where, source.license, source.version[:12] or UNKNOWN, read, splits)
            )
    columns = ("data set", "source", "from", "license", "version", "rows read", "rows kept")
    return Table(columns, tuple(rows))


def preparation(study: Study) -> Iterator[str]:
    """Cleaning, split and decontamination of every data set, in sentences."""
    for name, record in by_dataset(study).items():
        settings = mapping(record.settings, "dataset")
        cleaning, split = mapping(settings, "cleaning"), mapping(settings, "split")
        done = {verb: [key for key in cleaning if cleaning[key] == verb] for verb in ("mend", "drop", "keep")}
        words = "; ".join(f"{verb}: {', '.join(keys)}" for verb, keys in done.items() if keys)
        shares = " and ".join(
            f"{split[key]:.0%} {key}" for key in ("validation", "test") if _share(split, key)
        )
        yield f"{name}: cleaned ({words}). Identifiers: {text(settings.get('phi')) or UNKNOWN}."
        yield (
            f"{name}: split by whole groups of related rows "
            f"({shares or 'as the source has it'}), seed "
            f"{text(split.get('seed') or study.config.split_seed)}."
        )
        yield from (f"{name}: {sentence}" for sentence in decontamination(record))


def _share(split: Json, key: str) -> bool:
    return isinstance(split.get(key), float)


def wordings(study: Study) -> Table:
    """How questions were put in training; the suites use the same words where the task is the same."""
    rows = dict.fromkeys(
        (arm.cell.template, each.task, each.language, each.system or UNKNOWN, each.user)
        for arm in study.finished
        for each in prompts(arm.records[0])
    )
    return Table(("prompt", "task", "language", "system", "user"), tuple(rows))


def _recipes(study: Study) -> Iterator[Table]:
    """The settings that all cells share, and those in which they differ."""
    found = {arm.name: _recipe(arm) for arm in study.finished}
    keys = list(dict.fromkeys(key for each in found.values() for key in each))
    shared = [key for key in keys if len({each.get(key, "") for each in found.values()}) == 1]
    first = next(iter(found.values()))
    yield Table(("setting", "value"), tuple((key, first[key]) for key in shared))
    if differing := [key for key in keys if key not in shared]:
        rows = tuple((label, *(each.get(key, UNKNOWN) for key in differing)) for label, each in found.items())
        yield Table(("cell", *differing), rows)


def _recipe(arm: Arm) -> dict[str, str]:
    values = {key: _value(value) for key, value in recipe(arm.records[0]).items() if key != "seed"}
    return {**values, "seeds": ", ".join(text(record.settings.get("seed")) for record in arm.records)}


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def suites(study: Study) -> Table:
    """How each suite was asked."""
    rows: dict[str, tuple[str, ...]] = {}
    for record in study.records:
        for name, written in record.suites.items():
            if name not in rows and "settings" in written:
                rows[name] = _suite(name, written)
    columns = ("suite", "kind", "items", "from", "longest answer", "sampling", "prompts", "date")
    return Table(columns, tuple(rows.values()))


def _suite(name: str, written: Json) -> tuple[str, ...]:
    settings = mapping(mapping(written, "settings"), "suite")
    sampling = mapping(mapping(written, "settings"), "sampling")
    temperature = number(sampling, "temperature")
    how = "greedy" if temperature == 0 else f"temperature {temperature:g}" if temperature else "likelihood"
    digest = [note for note in strings(written.get("notes")) if note.startswith("Prompts: ")]
    prompt = digest[0].removeprefix("Prompts: ").partition(" ")[0] if digest else UNKNOWN
    source = text(mapping(settings, "dataset").get("name")) or "the run's own held-out rows"
    most = number(settings, "max_new_tokens")
    return (
        name, text(settings.get("kind")), f"{number(written, 'asked') or 0:,.0f}", source,
        f"{most:.0f} tokens" if most and sampling else UNKNOWN, how, prompt, text(written.get("date")),
    )  # fmt: skip


def machine(study: Study) -> str:
    """Hardware and versions."""
    said = []
    for record in study.records:
        found = mapping(record.environment, "machine")
        cores, memory = number(found, "cpu_cores"), number(found, "ram_total")
        cpu = f"{cores:.0f} processor cores, {size(memory)} memory" if cores else ""
        said.append("Hardware: " + (", ".join(filter(None, (hardware(record), cpu))) or "not recorded") + ".")
        packages = ", ".join(f"{name} {version}" for name, version in versions(record).items())
        said.append(f"Versions: {packages or 'not recorded'}.")
    return "\n".join(dict.fromkeys(said))
