"""A conversation as a source has it -> messages.

Both shapes (role and content, as OpenAI's files say; from and value, as ShareGPT's do), the order that turns
must have, and which of the assistant's are learnt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from medft.data.readers.rows import RowError
from medft.data.record import Message, Role

ROLES: dict[str, Role] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant",
}  # fmt: skip
TOOLS = frozenset({"tool", "function", "observation", "ipython"})
"""Roles of what a tool returned."""
CALLING = frozenset({"function_call", "tool_call"})
"""Roles of an assistant's call of a tool, in formats that give it a turn of its own."""
TRIMMED, CALLS = "trimmed_conversation", "tool_calls"


def read_turns(
    value: object, place: str, learn: Literal["all", "last"], done: set[str] | None = None
) -> tuple[Message, ...]:
    """The messages of a conversation: system text if there is one, then user and assistant in turns.

    What an assistant says before the user does, and what a user says last, is left out. A tool's result is
    context: it belongs to what the user said, and the call that asked for it, where it has no words, is left
    out.

    Args:
        value: a list of messages, or that list as JSON.
        place: of the row, for errors.
        learn: whether all of the assistant's turns are learnt or the last one alone; a message of ``weight``
            0 never is.
        done: ``TRIMMED`` and ``CALLS`` are added where turns were left out.

    Raises:
        RowError: no such list, another role, turns in another order, or none to learn.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):  # csv has no lists
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, list) or not all(isinstance(turn, Mapping) for turn in value):
        raise _malformed("the conversation is not a list of messages", place)
    said = tuple(_without_tools(value, place))
    turns = _trimmed(said)
    if done is not None:
        done.update({CALLS} if any(_role(turn) in TOOLS | CALLING for turn in value) else ())
        done.update({TRIMMED} if len(turns) < len(said) else ())
    _check_order(turns, place)
    if learn == "last":
        turns = (*(replace(turn, learnt=False) for turn in turns[:-1]), turns[-1])
    if not any(turn.learnt for turn in turns if turn.role == "assistant"):
        raise _malformed("the conversation has no assistant turn to train on", place)
    return turns


def _without_tools(value: Iterable[Mapping[str, object]], place: str) -> Iterator[Message]:
    """Messages of system, user and assistant alone."""
    waiting: Message | None = None
    for turn in value:
        role, text = ROLES.get(_role(turn)), _content(turn, place)
        calls = turn.get("tool_calls") or turn.get("function_call")
        if _role(turn) in CALLING or (role == "assistant" and not text.strip() and calls):
            continue
        if _role(turn) in TOOLS:
            before = waiting.content if waiting else ""
            waiting = Message("user", "\n\n".join(filter(None, (before, text))))
            continue
        if waiting:
            yield waiting
            waiting = None
        message = _message(turn, text, place)
        if message.role == "user":
            waiting = message
        else:
            yield message
    if waiting:
        yield waiting


def _trimmed(turns: tuple[Message, ...]) -> tuple[Message, ...]:
    """From the first turn of the user to the last one of the assistant, behind the system text."""
    system = turns[:1] if turns and turns[0].role == "system" else ()
    spoken = list(turns[len(system) :])
    while spoken and spoken[0].role == "assistant":
        spoken.pop(0)
    while spoken and spoken[-1].role == "user":
        spoken.pop()
    return (*system, *spoken)


def _role(turn: Mapping[str, object]) -> str:
    return str(turn.get("role", turn.get("from"))).lower()


def _content(turn: Mapping[str, object], place: str) -> str:
    """The text of a message: as it is, or of its content parts."""
    content = turn.get("content", turn.get("value"))
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [None]
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise _malformed("a message has a part that is not text, such as an image", place)
    return "\n".join(str(text) for text in texts)


def _message(turn: Mapping[str, object], text: str, place: str) -> Message:
    role = ROLES.get(_role(turn))
    if role is None or ("content" not in turn and "value" not in turn):
        what = "a message needs role and content, or from and value, with a role of user, assistant or system"
        raise _malformed(what, place)
    weight = turn.get("weight")
    if weight not in (None, 0, 1):
        raise _malformed("the weight of a message must be 0 or 1", place)
    return Message(role, text, weight != 0)


def _check_order(turns: Sequence[Message], place: str) -> None:
    spoken = turns[1:] if turns and turns[0].role == "system" else turns
    for number, turn in enumerate(spoken):
        wanted = ("user", "assistant")[number % 2]
        if turn.role != wanted:
            what = f"turn {number + 1} of the conversation should be of the {wanted}, not of the {turn.role}"
            raise _malformed(what, place)
    if not spoken or len(spoken) % 2:
        raise _malformed("the conversation has no user turn followed by an assistant turn", place)


def _malformed(what: str, place: str) -> RowError:
    remedy = "user and assistant must alternate; dataset.on_error=skip leaves such rows out"
    return RowError("malformed_turns", what, where=place, remedy=remedy)
