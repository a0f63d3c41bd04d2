"""A conversation with one model: the words and passages around a question, and the turns that still fit."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from medft.config import build
from medft.data.record import Message, Record
from medft.errors import ConfigError, PromptError
from medft.inference.documents import Hit, Index
from medft.inference.generation import Sampling
from medft.inference.library import Library
from medft.paths import conf_dir
from medft.prompt.config import TemplateConfig, WordingConfig
from medft.prompt.template import fill, wording

NOT_ADVICE = "A language model answers. It can be wrong. This is not medical advice."
QUESTION_TASKS = ("qa", "conversation", "instruction")
"""The tasks of a template that word a plain question, the first that it has."""
FROM_PASSAGES = "Passages\n\n{context}\n\nAnswer from these passages.\n\nQuestion: {question}"
"""Around a question with passages, where the template words none."""


def templates() -> dict[str, TemplateConfig]:
    """The templates that come with medft, by name."""
    import yaml

    files = sorted((conf_dir() / "template").glob("*.yaml"))
    loaded = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files]
    return {values["name"]: build(TemplateConfig, values, "template") for values in loaded}


def clean(text: str) -> str:
    """``text`` without control characters but for line breaks and tabs, and without what UTF-8 cannot
    hold."""
    whole = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "ignore").decode("utf-8")
    return "".join(c for c in whole if c in "\n\t" or (c >= " " and not "\x7f" <= c < "\xa0"))


@dataclass(slots=True)
class Dialogue:
    """A conversation that goes on."""

    library: Library
    """Where the models are."""
    model: str
    """Which of them answers."""
    sampling: Sampling
    """How it answers."""
    template: TemplateConfig | None = None
    """The words around questions; None takes those the model was trained with."""
    system: str | None = None
    """The system text; None takes the template's."""
    index: Index | None = None
    """Documents to answer from."""
    k: int = 3
    """Number of passages per question."""
    history: list[Message] = field(default_factory=list)
    """The turns so far, as the model saw them."""
    passages: list[Hit] = field(default_factory=list)
    """What the last question was answered from."""
    forgotten: int = 0
    """Turns of the last prompt that no longer fitted."""
    cut: bool = False
    """Whether the last answer reached ``max_new_tokens`` before its end."""

    def ask(self, question: str, cancel: threading.Event | None = None) -> Iterator[str]:
        """The answer, piece by piece; remembered as far as it was read.

        Raises:
            PromptError: an empty question, or one that does not fit even without the turns before it.
            MedftError: the model cannot be loaded or cannot answer.
        """
        turn = self._turn(clean(question).strip())
        session, name = self.library.session(self.model)
        messages = self._fitting(turn)
        answer, self.cut = "", False
        try:
            for piece in session.stream(name, messages, self.sampling, cancel, self._on_cut):
                answer += clean(piece)
                yield clean(piece)
        finally:
            self.history += [turn, Message("assistant", answer.strip())]

    def remarks(self) -> list[str]:
        """Remarks on the last answer: cut, or turns left out."""
        cut = f"cut at {self.sampling.max_new_tokens:,} tokens (max_new_tokens)"
        forgotten = f"the first {self.forgotten:,} turns no longer fit and were left out"
        return [text for text, holds in ((cut, self.cut), (forgotten, self.forgotten)) if holds]

    def messages(self, question: str) -> list[Message]:
        """What the model would be sent, were ``question`` asked without any turns before it.

        Raises:
            PromptError: an empty question, or no passage where the template needs one.
        """
        system = [Message("system", self.system_text)] if self.system_text else []
        return [*system, self._turn(clean(question).strip())]

    def clear(self) -> None:
        """Forget the conversation."""
        self.history.clear()
        self.passages.clear()
        self.forgotten = 0

    @property
    def system_text(self) -> str:
        """What stands before the conversation."""
        return self._words().system if self.system is None else self.system

    @property
    def _language(self) -> str:
        return self.library.model(self.model).language

    def _on_cut(self) -> None:
        self.cut = True

    def _turn(self, question: str) -> Message:
        if not question:
            raise PromptError("there is no question", remedy="write one")
        words = self._words()
        self.passages = self.index.search([question], self.k)[0] if self.index else []
        if self.passages and "context" not in words.fields():
            words = WordingConfig(user=FROM_PASSAGES)
        if "context" in words.fields() and not self.passages:
            raise PromptError(
                "the template needs a context, but no passage was found",
                remedy="give documents to answer from, or choose another template",
            )
        context = "\n\n".join(hit.passage.text for hit in self.passages)
        record = Record(
            id="", source="", task="qa", language=self._language, question=question, context=context
        )
        return Message("user", fill(words.user, record))

    def _words(self) -> WordingConfig:
        template = self.template or self.library.model(self.model).template
        task = next((t for t in QUESTION_TASKS if t in template.tasks), next(iter(template.tasks)))
        words = wording(template, task, self._language)
        if "label" in WordingConfig(user=words.user).fields():
            raise ConfigError(f"template '{template.name}' has no wording for a question")
        return words

    def _fitting(self, turn: Message) -> list[Message]:
        """System text, as many of the latest turns as fit, and the question. One that does not fit alone is
        told at once: encoding it again with ever fewer turns before it could take minutes."""
        session, _ = self.library.session(self.model)
        system = [Message("system", self.system_text)] if self.system_text else []
        turns = list(_spoken(self.history))
        self.forgotten = 0
        while True:
            try:
                session.prompt([*system, *turns, turn], self.sampling.max_new_tokens)
                return [*system, *turns, turn]
            except PromptError:
                if not turns:
                    raise
                if not self.forgotten:
                    session.prompt([*system, turn], self.sampling.max_new_tokens)
                turns = turns[2:]
                self.forgotten += 1


def _spoken(history: Sequence[Message]) -> Iterator[Message]:
    """The turns with an answer: one that was stopped before its first word is left out with its question."""
    for question, answer in zip(history[::2], history[1::2], strict=True):
        if answer.content:
            yield from (question, answer)
