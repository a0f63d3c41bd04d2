"""Prompt faults in the data itself: what an earlier system left in its texts, by name.

The encoder keeps special-token strings inside texts as plain text, so none of these faults breaks a row, but
a model learns to write them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from medft.data.record import Message


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault."""

    name: str
    """What is in the text, in a few words."""
    remedy: str
    """What to do about it."""
    pattern: re.Pattern[str]
    """Found in a text that has the fault."""


_BOS = r"(?:<s>|<bos>|<\|begin_of_text\|>)"
_MAP = "map columns that hold only the question and the answer (dataset.columns.*), not a finished prompt"
_TEMPLATE = "remove it from the data; the model's chat template adds what is needed"

FAULTS: tuple[Fault, ...] = (
    Fault(
        "literal backslash-n",
        "replace it by a line break in the data",
        # LaTeX commands that begin alike (\nu, \neq, ...) are none.
        re.compile(r"\\n(?!(?:u|e|eq|eg|ot|mid|abla|earrow|warrow|ormalsize|ewline|oindent|umber)\b)"),
    ),
    Fault("[s] or the like for BOS", _TEMPLATE, re.compile(r"^\s*\[s\]|\[s\]\s*\[INST\]|\[/s\]|\[[BE]OS\]")),
    Fault("doubled BOS", _TEMPLATE, re.compile(rf"{_BOS}\s*{_BOS}")),
    Fault("BOS in the text", _TEMPLATE, re.compile(_BOS)),
    Fault(
        "end or padding token in the text",
        _TEMPLATE,
        re.compile(r"</s>|<(?:eos|pad|unk)>|<\|(?:end_of_text|eom_id|endoftext|finetune_right_pad_id)\|>"),
    ),
    Fault(
        "Gemma turn marker without its newline",
        _MAP,
        re.compile(r"<start_of_turn>(?:user|model)(?! *\n)|<end_of_turn>(?!\s*\n|\s*$)"),
    ),
    Fault("Llama-3 header without its blank line", _MAP, re.compile(r"<\|end_header_id\|>(?! *\n\n)")),
    Fault(
        "chat marker in the text",
        _MAP,
        re.compile(
            r"\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<\|(?:start_header_id|end_header_id|eot_id)\|>"
            r"|<\|im_(?:start|end)\|>|<\|(?:system|user|assistant)\|>"
        ),
    ),
)
"""Each fault that can be told from one text."""

ANSWER_IN_PROMPT = "the question contains the answer"
LOSS_ON_PROMPT = "the answer contains the prompt, where loss falls on it"
"""Faults that are told by who says what."""
REMEDIES = {**{fault.name: fault.remedy for fault in FAULTS}, ANSWER_IN_PROMPT: _MAP, LOSS_ON_PROMPT: _MAP}
"""What to do, by name."""
_TELLING = 60
"""Characters; shorter answers are found in honest questions ("Is it A or B?")."""
_USER_TURN = re.compile(
    r"\[INST\]|<start_of_turn>user|<\|start_header_id\|>user|<\|im_start\|>user"
    r"|^### (?:Instruction|Human|Question):",
    re.MULTILINE,
)
_HINT = re.compile(r"[\\\[<]")


def faults(messages: Sequence[Message]) -> tuple[str, ...]:
    """The names of the prompt faults in a conversation, each once, in the order of ``REMEDIES``.

    Args:
        messages: a conversation as it would be rendered, or only the texts of a record.
    """
    suspect = [message.content for message in messages if _HINT.search(message.content)]
    found = [fault.name for fault in FAULTS if any(fault.pattern.search(text) for text in suspect)]
    if _answer_in_prompt(messages):
        found.append(ANSWER_IN_PROMPT)
    if any(message.role == "assistant" and _USER_TURN.search(message.content) for message in messages):
        found.append(LOSS_ON_PROMPT)
    return tuple(found)


def _answer_in_prompt(messages: Sequence[Message]) -> bool:
    """Whether a question gives its own answer away, word for word."""
    asked = ""
    for message in messages:
        if message.role == "user":
            asked = message.content
        elif message.role == "assistant" and len(message.content) >= _TELLING and message.content in asked:
            return True
    return False
