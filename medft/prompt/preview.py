"""One row as the model will see it: its tokens as text, which of them carry loss, and what was checked.

What is encoded comes from the same encoder that training uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from medft.data.record import Message
from medft.prompt.encode import Encoder
from medft.prompt.encoded import IGNORE, Encoded
from medft.prompt.faults import faults
from medft.prompt.guard import Guard
from medft.prompt.tokenizer import Tokenizer

PieceKind = Literal["prompt", "special", "learnt", "stop"]

UNCUT = 1 << 20
"""A max_length that cuts nothing."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A token as text, or several of them where one alone is no whole character."""

    text: str
    """The text that it adds to what stands before it."""
    kind: PieceKind
    """prompt and special carry no loss; learnt (answer) and stop (the end that is learnt) do."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold for a row."""

    name: str
    """What was looked at."""
    passed: bool
    """Whether it holds."""
    found: str
    """What was found, in a few words."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A row as it will be trained on."""

    id: str
    """Id of the record."""
    tokens: int
    """Tokens that training sees; 0 when the row is dropped."""
    loss_tokens: int
    """Those of them that carry loss."""
    pieces: tuple[Piece, ...]
    """All of them, in order."""
    checks: tuple[Check, ...]
    """What was checked."""
    note: str = ""
    """How what is shown differs from what is trained on; empty when it does not."""


class Previewer:
    """Shows rows with one tokenizer.

    Args:
        tokenizer: the one that training uses.
        stop_ids: ids that end an answer.
        max_length: longest row in tokens.

    Raises:
        PromptError: the tokenizer cannot give a correct training example.
    """

    def __init__(self, tokenizer: Tokenizer, stop_ids: Sequence[int], max_length: int) -> None:
        self._tokenizer, self._stops = tokenizer, frozenset(stop_ids)
        self._encoder = Encoder(tokenizer, max_length, stop_ids)
        self.uncut = Encoder(tokenizer, UNCUT, stop_ids)
        """The same encoder without a length limit."""
        self._special = frozenset(Guard(tokenizer.backend_tokenizer).special.values())

    def show(self, id: str, messages: Sequence[Message], note: str = "") -> Preview:
        """The row that ``messages`` become."""
        (seen,), (whole,) = self._encoder.encode([messages]), self.uncut.encode([messages])
        checks = (
            self._bos(seen),
            self._prompt(whole, messages),
            self._stop(seen),
            _cut(seen, whole, self._encoder.max_length),
            _faults(messages),
        )
        carries = sum(label != IGNORE for label in seen.labels)
        return Preview(id, len(seen.input_ids), carries, tuple(self._pieces(seen)), checks, note)

    def _pieces(self, row: Encoded) -> Iterator[Piece]:
        """The tokens as text; bytes of one character wait for the last of them."""
        from tokenizers.decoders import DecodeStream

        stream = DecodeStream(skip_special_tokens=False)
        for token, label in zip(row.input_ids, row.labels, strict=True):
            if text := stream.step(self._tokenizer.backend_tokenizer, token):
                yield Piece(text, self._kind(token, label != IGNORE))

    def _kind(self, token: int, learnt: bool) -> PieceKind:
        if learnt:
            return "stop" if token in self._stops else "learnt"
        return "special" if token in self._special else "prompt"

    def _bos(self, row: Encoded) -> Check:
        bos = self._tokenizer.bos_token_id
        count = row.input_ids.count(bos) if bos is not None else 0
        first = row.input_ids[:1] == [bos]
        if bos is None or not row.usable:
            return Check("one BOS", True, "this tokenizer has none" if bos is None else "row is dropped")
        return Check("one BOS", count == 1 and first, f"{count}, {'at the start' if first else 'not first'}")

    def _prompt(self, row: Encoded, messages: Sequence[Message]) -> Check:
        prompt = self.uncut.prompt(messages[:-1])
        same = row.input_ids[: len(prompt)] == prompt
        learnt = row.labels[len(prompt) : len(prompt) + 1] not in ([], [IGNORE])
        found = f"the row begins with its {len(prompt):,} tokens; the rest carries the loss"
        if not messages[-1].learnt:
            found = f"the row begins with its {len(prompt):,} tokens; the last answer is not trained on"
        passed = same and learnt == messages[-1].learnt
        return Check("prompt is a prefix", passed, found if passed else "it is not")

    def _stop(self, row: Encoded) -> Check:
        learnt = [label for label in row.labels if label != IGNORE]
        last = learnt[-1] if learnt else None
        if last not in self._stops:
            return Check("stop token learnt", False, "the row does not end with a stop token")
        return Check("stop token learnt", True, str(self._tokenizer.backend_tokenizer.id_to_token(last)))


def answer_start(row: Encoded) -> int:
    """Index of the first token of the first answer; the row's length when it has none."""
    return next((i for i, size in enumerate(row.answer_bytes) if size >= 0), len(row.input_ids))


def _cut(seen: Encoded, whole: Encoded, max_length: int) -> Check:
    tokens = len(whole.input_ids)
    if not seen.usable:
        prompt = f": {answer_start(whole):,} tokens" if whole.usable else ""
        return Check("not cut", False, f"dropped from training, {seen.problem}{prompt}")
    if not seen.problem:
        return Check("not cut", True, f"{tokens:,} of at most {max_length:,} tokens")
    lost = f"after token {max_length:,} of {tokens:,}; the rest of the answer is lost"
    return Check("not cut", False, lost)


def _faults(messages: Sequence[Message]) -> Check:
    found = faults(messages)
    return Check("no prompt faults in the texts", not found, ", ".join(found) or "none found")
