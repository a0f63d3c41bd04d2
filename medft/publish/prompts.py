"""The prompts used in training, task by task: what users of the weights must send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from medft.aliases import Json
from medft.config import build
from medft.errors import MedftError
from medft.prompt.config import PLACEHOLDER, TemplateConfig
from medft.prompt.examples import question
from medft.prompt.template import wording
from medft.runs import RunDir
from medft.runs.record import RunRecord
from medft.runs.values import mapping, text

_SYSTEM_IN_USER = "\n\n"  # medft.prompt.chat puts a blank line between the two where there is no system role


@dataclass(frozen=True, slots=True)
class Prompt:
    """The wording of one task in one language."""

    task: str
    """qa, note, nli, ..."""
    language: str
    """ISO 639-1 code."""
    system: str
    """The system text; empty where none was sent."""
    user: str
    """The user's turn, with ``{question}`` and ``{context}`` where they were filled in."""

    def example(self, system_role: bool) -> str:
        """A conversation to send, as a Python literal that is JSON too.

        Args:
            system_role: whether the chat template has one; else the system text begins the user's turn.
        """
        values = {"question": question(self.language), "context": "..."}
        user = PLACEHOLDER.sub(lambda match: values.get(match[1], ""), self.user)
        turns = [("system", self.system)] if self.system and system_role else []
        folded = f"{self.system}{_SYSTEM_IN_USER}{user}" if self.system and not system_role else user
        lines = [
            json.dumps({"role": role, "content": content}, ensure_ascii=False)
            for role, content in [*turns, ("user", folded)]
        ]
        return "[\n    " + ",\n    ".join(lines) + ",\n]"


def prompts(record: RunRecord) -> tuple[Prompt, ...]:
    """The wordings that the run was trained with, without repeats; empty where its settings do not say."""
    try:
        template = build(TemplateConfig, mapping(record.settings, "template"))
        return tuple(dict.fromkeys(_prompts(record, template)))
    except MedftError:  # settings of a run that was edited, or that another version wrote
        return ()


def _prompts(record: RunRecord, template: TemplateConfig) -> Iterator[Prompt]:
    dataset = mapping(record.settings, "dataset")
    for settings in _members(dataset):
        columns = mapping(settings, "columns")
        tasks = list(template.tasks) if columns.get("task") else [text(settings.get("task")) or "qa"]
        context = bool(columns.get("context") or mapping(settings, "fixed").get("context"))
        language = text(settings.get("language")) or "en"
        for task in tasks:
            words = wording(template, task, language, context)
            yield Prompt(task, language, words.system, words.user)


def _members(dataset: Json) -> Iterator[Json]:
    sources = mapping(dataset, "sources")
    yield from (mapping(sources, name) for name in sources) if sources else [dataset]


def takes_system(run: RunDir) -> bool:
    """Whether the chat template that the run's weights travel with has a system role."""
    from medft.models.tokenizer import load
    from medft.prompt.chat import Chat

    folder = run.merged if run.merged.is_dir() else run.adapter
    if not (folder / "tokenizer.json").is_file():  # an unfinished run, whose card is not sent
        return True
    try:
        return not Chat(load(folder)).folds_system
    except MedftError:  # a damaged one, which the upload refuses
        return True


def system_of(found: tuple[Prompt, ...]) -> str:
    """The one system text of all prompts; empty where there is none or they differ."""
    texts = {prompt.system for prompt in found}
    return texts.pop() if len(texts) == 1 else ""
