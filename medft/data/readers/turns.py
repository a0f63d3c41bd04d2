"""A conversation as a source has it -> messages.

Both shapes (role and content, as OpenAI's files say; from and value, as ShareGPT's do), the order that turns
must have, and which of the assistant's are learnt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from medft.data.readers.rows import RowError
from medft.data.record import Message, Role

ROLES: dict[str, Role] = {
    "system": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant",
}  # fmt: skip


def read_turns(value: object, place: str, learn: Literal["all", "last"]) -> tuple[Message, ...]:
    """The messages of a conversation: system text if there is one, then user and assistant in turns.

    Args:
        value: a list of messages, or that list as JSON.
        place: of the row, for errors.
        learn: whether all of the assistant's turns are learnt or the last one alone; a message of ``weight``
            0 never is.

    Raises:
        RowError: no such list, another role, turns in another order, or none to learn.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):  # csv has no lists
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, list) or not all(isinstance(turn, Mapping) for turn in value):
        raise _malformed("the conversation is not a list of messages", place)
    turns = tuple(_message(turn, place) for turn in value)
    _check_order(turns, place)
    if learn == "last":
        turns = (*(replace(turn, learnt=False) for turn in turns[:-1]), turns[-1])
    if not any(turn.learnt for turn in turns if turn.role == "assistant"):
        raise _malformed("no turn of the assistant is to be learnt", place)
    return turns


def _message(turn: Mapping[str, object], place: str) -> Message:
    said = turn.get("role", turn.get("from"))
    role, content = ROLES.get(str(said).lower()), turn.get("content", turn.get("value"))
    if role is None or not isinstance(content, str):
        what = "a message needs role and content, or from and value, with a role of user, assistant or system"
        raise _malformed(what, place)
    weight = turn.get("weight")
    if weight not in (None, 0, 1):
        raise _malformed("the weight of a message is 0 or 1", place)
    return Message(role, content, weight != 0)


def _check_order(turns: Sequence[Message], place: str) -> None:
    spoken = turns[1:] if turns and turns[0].role == "system" else turns
    for number, turn in enumerate(spoken):
        wanted = ("user", "assistant")[number % 2]
        if turn.role != wanted:
            what = f"turn {number + 1} of the conversation should be of the {wanted}, not of the {turn.role}"
            raise _malformed(what, place)
    if not spoken or len(spoken) % 2:
        raise _malformed("the conversation does not end with the assistant", place)


def _malformed(what: str, place: str) -> RowError:
    remedy = "user and assistant must alternate, the user first; dataset.on_error=skip leaves such rows out"
    return RowError("malformed_turns", what, where=place, remedy=remedy)
