"""An encoded conversation: token ids, and which of them are learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from medft.prompt.chat import Skeleton

if TYPE_CHECKING:
    from tokenizers import Encoding

IGNORE = -100
"""The label of a token without loss, as in torch.nn.CrossEntropyLoss."""

RowFault = Literal["", "answer truncated", "prompt longer than max_length", "answer merges with the prompt"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """One conversation as ids; all three lists have the same length, unless ``problem`` drops the row."""

    input_ids: list[int]
    """Token ids, BOS included where the chat template writes one."""
    labels: list[int]
    """The id where the token is learnt (answers and the stop token after each), -100 elsewhere."""
    answer_bytes: list[int]
    """-1 outside answers, on stop tokens and on words that the chat template itself puts before an answer
    (they are learnt all the same: a server's prompt ends before them); on answer tokens >= 0, summing to the
    UTF-8 bytes of the answers kept: the denominator of bits per byte."""
    problem: RowFault = ""
    """Why the row was cut (it is still usable) or must be dropped (its lists are then empty)."""

    @property
    def usable(self) -> bool:
        """Whether the row can be trained on."""
        return bool(self.input_ids)


class Answer(NamedTuple):
    """Where an answer stands among the ids of a row, cut at the row's longest length."""

    start: int
    """Its first token, words of the chat template before it included."""
    end: int
    """After its stop token; at or before ``start`` where the row is cut before it."""
    bytes_start: int
    """Its first token of its own."""
    bytes_end: int
    """After its last token of its own; 0 where nothing of it is left."""
    size: int
    """UTF-8 bytes of it that are kept."""


class Labelled(NamedTuple):
    """One conversation as ids, with the places of what is learnt; ``Encoded`` in fewer numbers."""

    ids: list[int]
    """Token ids; none where ``problem`` drops the row."""
    answers: tuple[Answer, ...]
    """What is learnt."""
    problem: RowFault = ""
    """As ``Encoded`` has it."""

    def encoded(self) -> Encoded:
        """The labels written out."""
        labels, sizes = [IGNORE] * len(self.ids), [-1] * len(self.ids)
        for start, end, bytes_start, bytes_end, size in self.answers:
            labels[start:end] = self.ids[start:end]
            if bytes_end:
                sizes[bytes_start:bytes_end] = [0] * (bytes_end - bytes_start)
                sizes[bytes_start] = size
        return Encoded(self.ids, labels, sizes, self.problem)


@dataclass(frozen=True, slots=True)
class Tokenized:
    """A batch of conversations on its way."""

    encodings: list[tuple[Encoding, Skeleton]]
    """What the tokenizer made of each."""
    contents: list[tuple[str, ...]]
    """The texts of its turns."""
    learnt: list[list[bool]]
    """Which of its answers are learnt."""
