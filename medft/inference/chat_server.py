"""The conversations behind the chat page: any number of visitors, any number of models side by side."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from medft.data.record import Message
from medft.errors import MedftError
from medft.inference.dialogue import Dialogue, clean, templates
from medft.inference.documents import Hit, Index
from medft.inference.generation import Sampling
from medft.inference.library import Library

SHOWN = 2_000
"""Characters of a question that the page repeats; the model gets all of it."""
VISITS = 256
"""Visitors that are remembered; of more, the one who came first is forgotten."""
TURNS = 200
"""Turns of a conversation that are remembered and shown."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Column:
    """One visitor's conversation with one model."""

    history: list[Message] = field(default_factory=list)
    """The turns as the model saw them."""
    turns: list[dict[str, str]] = field(default_factory=list)
    """The turns as the page shows them: ``role`` and ``content``."""
    passages: str = ""
    """What the last answer was given from."""


@dataclass(slots=True)
class Visit:
    """The state of one visitor's page."""

    columns: dict[str, Column] = field(default_factory=dict)
    """The conversation with each model."""
    chosen: tuple[str, ...] = ()
    """The models whose columns are shown."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set to end the answers that are being written."""

    def shown(self) -> dict[str, Column]:
        """The columns of the chosen models."""
        return {name: self.columns.get(name) or Column() for name in self.chosen}


class ChatServer:
    """Answers questions from any number of visitors.

    Args:
        library: the models.
        index: documents to answer from, if any.
        k: passages per question.
        seed: seeds the sampling.
        votes: where votes on answers are written, with question and answer.
    """

    def __init__(self, library: Library, index: Index | None, k: int, seed: int, votes: Path) -> None:
        self.votes = votes
        self._lock = threading.Lock()
        self.library, self.index, self.k, self.seed = library, index, k, seed
        self.templates = templates()
        self._visits: dict[str, Visit] = {}

    def choose(self, visitor: str, models: Sequence[str]) -> dict[str, Column]:
        """Show the columns of ``models`` from now on, with the conversations they have had."""
        visit = self._visit(visitor)
        visit.chosen = tuple(models)
        return visit.shown()

    def _visit(self, visitor: str) -> Visit:
        visit = self._visits.setdefault(visitor, Visit())
        while len(self._visits) > VISITS:
            self.forget(next(iter(self._visits)))
        return visit

    def ask(
        self,
        visitor: str,
        question: str,
        models: Sequence[str],
        template: str,
        use_documents: bool,
        sampling: Sampling,
    ) -> Iterator[dict[str, Column]]:
        """What the visitor's columns show, again and again as the answers of ``models`` grow, one after the
        other. Ends what was being written for the visitor.

        Errors are part of the conversation that is shown; none is raised.
        """
        self.stop(visitor)
        self.choose(visitor, models)
        visit = self._visits[visitor]
        visit.stop = stop = threading.Event()
        columns = {name: visit.columns.setdefault(name, Column()) for name in models}
        answers = {name: {"role": "assistant", "content": ""} for name in models}
        for name, column in columns.items():
            column.passages = ""
            del column.turns[: 2 - TURNS], column.history[: 2 - TURNS]
            column.turns += [{"role": "user", "content": _short(clean(question))}, answers[name]]
        yield visit.shown()
        for name, column in columns.items():
            dialogue = Dialogue(
                self.library,
                name,
                sampling,
                template=self.templates.get(template),
                index=self.index if use_documents else None,
                k=self.k,
                history=column.history,
            )
            for _ in _answer(dialogue, question, column, answers[name], stop):
                yield visit.shown()

    def system_text(self, model: str, template: str) -> str:
        """The system text before questions to ``model``: of ``template``, else of its training."""
        words = self.templates.get(template)
        try:
            return Dialogue(self.library, model, Sampling(1), template=words).system_text
        except MedftError as error:
            return error.what

    def vote(self, visitor: str, model: str, turn: int, good: bool) -> None:
        """Write down what ``visitor`` thinks of an answer: one line of JSON in the file of votes.

        Args:
            visitor: whose page it is.
            model: whose answer it is.
            turn: its place in the conversation, questions counted too.
            good: the vote.
        """
        turns = self._visits[visitor].columns[model].turns
        row = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"), "model": model, "good": good,
            "question": turns[turn - 1]["content"], "answer": turns[turn]["content"],
        }  # fmt: skip
        self.votes.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, self.votes.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def stop(self, visitor: str) -> None:
        """End the answers that are being written for ``visitor``."""
        if visitor in self._visits:
            self._visits[visitor].stop.set()

    def reset(self, visitor: str) -> dict[str, Column]:
        """End what is being written and begin new conversations with the chosen models."""
        self.stop(visitor)
        visit = self._visit(visitor)
        visit.columns = {}
        return visit.shown()

    def forget(self, visitor: str) -> None:
        """End what is being written, and drop everything known of ``visitor``."""
        self.stop(visitor)
        self._visits.pop(visitor, None)


def _answer(
    dialogue: Dialogue, question: str, column: Column, turn: dict[str, str], stop: threading.Event
) -> Iterator[None]:
    """Write the answer into ``turn`` of ``column``, piece by piece; the next question may stand below."""
    try:
        if not stop.is_set():
            for piece in dialogue.ask(question, stop):
                turn["content"] += piece
                column.passages = _passages(dialogue.passages)
                yield
        notes = [*dialogue.remarks(), *(["stopped"] if stop.is_set() else [])]
        turn["content"] = "\n".join([turn["content"], *(f"[{note}]" for note in notes)]).strip()
    except MedftError as error:
        turn["content"] = f"error: {error.what}" + (f" ({error.remedy})" if error.remedy else "")
    except Exception as error:
        log.exception("a question could not be answered")
        turn["content"] = f"error: unexpected error ({type(error).__name__}); see the server's log"
    yield


def _passages(hits: Sequence[Hit]) -> str:
    return "\n\n".join(f"[{n}] {hit.passage.source}\n{hit.passage.text}" for n, hit in enumerate(hits, 1))


def _short(text: str) -> str:
    rest = len(text) - SHOWN
    return text if rest <= 0 else f"{text[:SHOWN]} ... [{rest:,} more characters]"
