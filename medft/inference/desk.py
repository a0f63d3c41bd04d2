"""Questions from any number of visitors to any number of models, side by side.

Owns what is kept of each visitor and what their columns show. Knows nothing of how a page is made.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from medft.data.record import Message
from medft.errors import MedftError
from medft.inference.dialogue import Dialogue, clean, templates
from medft.inference.generation import Sampling
from medft.inference.library import Library
from medft.inference.retrieve import Hit, Index

SHOWN = 2_000
"""Characters of a question that the page repeats; the model gets all of it."""

log = logging.getLogger(__name__)

Turns = list[dict[str, str]]
Column = tuple[Turns, str]
"""What one column shows: the conversation, and the passages of its last answer."""


@dataclass(slots=True)
class Room:
    """What one visitor has going on; kept by the server under the visitor's session."""

    histories: dict[str, list[Message]] = field(default_factory=dict)
    """By model."""
    shown: dict[str, Turns] = field(default_factory=dict)
    """By model, as the page shows it."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set to end the answer that is being written."""


class Desk:
    """Takes questions from any number of visitors.

    Args:
        library: the models.
        index: documents to answer from, if any.
        k: passages per question.
        seed: of the sampling.
    """

    def __init__(self, library: Library, index: Index | None, k: int, seed: int) -> None:
        self.library, self.index, self.k, self.seed = library, index, k, seed
        self.templates = templates()
        self._rooms: dict[str, Room] = {}

    def ask(
        self,
        visitor: str,
        question: str,
        models: Sequence[str],
        template: str,
        use_documents: bool,
        sampling: Sampling,
    ) -> Iterator[dict[str, Column]]:
        """What every chosen model's column shows, again and again as the answers grow.

        Errors are part of the conversation that is shown; none is raised.
        """
        room = self._rooms.setdefault(visitor, Room())
        room.stop.clear()
        columns: dict[str, Column] = {name: (room.shown.setdefault(name, []), "") for name in models}
        for name in models:
            for column in self._answer(room, name, question, template, use_documents, sampling):
                columns[name] = column
                yield dict(columns)
            if room.stop.is_set():
                return

    def stop(self, visitor: str) -> None:
        """End the answer that is being written for ``visitor``."""
        if visitor in self._rooms:
            self._rooms[visitor].stop.set()

    def forget(self, visitor: str) -> None:
        """End what is being written, and drop everything known of ``visitor``."""
        self.stop(visitor)
        self._rooms.pop(visitor, None)

    def _answer(
        self, room: Room, name: str, question: str, template: str, use_documents: bool, sampling: Sampling
    ) -> Iterator[Column]:
        dialogue = Dialogue(
            self.library,
            name,
            sampling,
            template=self.templates.get(template),
            index=self.index if use_documents else None,
            k=self.k,
            history=room.histories.setdefault(name, []),
        )
        turns = room.shown.setdefault(name, [])
        turns += [{"role": "user", "content": _short(clean(question))}, {"role": "assistant", "content": ""}]
        yield turns, ""
        try:
            for piece in dialogue.ask(question, room.stop):
                turns[-1]["content"] += piece
                yield turns, _passages(dialogue.passages)
            turns[-1]["content"] += " [stopped]" if room.stop.is_set() else ""
        except MedftError as error:
            turns[-1]["content"] = f"error: {error.what}" + (f" ({error.remedy})" if error.remedy else "")
        except Exception as error:
            log.exception("a question could not be answered")
            turns[-1]["content"] = (
                f"error: something went wrong ({type(error).__name__}); see the server's log"
            )
        if dialogue.forgotten:
            turns[-1]["content"] += f"\n[the first {dialogue.forgotten} turns no longer fitted]"
        yield turns, _passages(dialogue.passages)


def _passages(hits: Sequence[Hit]) -> str:
    return "\n\n".join(f"[{n}] {hit.passage.source}\n{hit.passage.text}" for n, hit in enumerate(hits, 1))


def _short(text: str) -> str:
    rest = len(text) - SHOWN
    return text if rest <= 0 else f"{text[:SHOWN]} ... [{rest:,} more characters]"
