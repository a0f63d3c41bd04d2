"""Whether a prompt offers the gold label that is to be learnt: a model asked for "entailment, contradiction
or neutral" must not be taught "Refutes"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

from medft.data.cleaning.filters import LABEL_TASKS
from medft.data.record import Record
from medft.errors import PromptError
from medft.prompt.config import PLACEHOLDER, TemplateConfig, WordingConfig
from medft.prompt.template import wording

REMEDY = (
    "map the classes: 'dataset.labels={%s: <a word of the prompt>, ...}'; or choose or write a "
    "template whose words name these labels"
)
_WORD = re.compile(r"\w+")


def unoffered(record: Record, template: TemplateConfig) -> str:
    """The label of a record that learns its label, when the words of its prompt do not offer it; else empty.

    For tasks of few classes these are the template's words; for others, such as multiple choice, the options
    may be in the record itself.
    """
    if record.turns or not record.label:
        return ""
    words = wording(template, record.task, record.language, bool(record.context.strip()))
    if "label" not in words.fields() or "label" in PLACEHOLDER.findall(words.system + words.user):
        return ""
    offered = f"{_own_words(words)} {record.options}"
    if record.task not in LABEL_TASKS:
        offered += f" {record.question} {record.context}"
    return "" if _stands_in(record.label, offered) else record.label


def demand_offered(missing: Counter[str], template: TemplateConfig) -> None:
    """Refuse labels that are not offered.

    Raises:
        PromptError: there are some.
    """
    if missing:
        raise PromptError(
            f"the prompts do not mention the gold labels {named(missing)}",
            where=f"template '{template.name}'",
            remedy=REMEDY % next(iter(missing)),
        )


def named(missing: Counter[str]) -> str:
    """The labels with the rows that have them."""
    return ", ".join(f"'{label}' ({count:,})" for label, count in missing.most_common(10))


def _own_words(words: WordingConfig) -> str:
    return PLACEHOLDER.sub(" ", f"{words.system} {words.user}")


def _stands_in(label: str, text: str) -> bool:
    wanted, there = _WORD.findall(label.casefold()), _WORD.findall(text.casefold())
    return bool(wanted) and _runs(wanted, there)


def _runs(wanted: list[str], there: Collection[str]) -> bool:
    joined = " ".join(there)
    return f" {' '.join(wanted)} " in f" {joined} "
