"""Messages -> token ids and labels; the loss falls on learnt answers and their stop tokens, nothing else.

A whole conversation is encoded as one string, as a serving stack does, and labels come from character
positions: encoding prompt and answer apart would move a SentencePiece boundary. The generation prompt is then
an exact prefix of the training ids wherever a token starts at its end, which is checked for every row.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, cast

from medft.data.record import Message
from medft.errors import PromptError
from medft.prompt.blanks import doubled_blank
from medft.prompt.chat import Chat, Skeleton
from medft.prompt.encoded import IGNORE, Answer, Encoded, Labelled, Tokenized
from medft.prompt.guard import Guard
from medft.prompt.tokenizer import Tokenizer

if TYPE_CHECKING:
    from tokenizers import Encoding


class Encoder:
    """Turns conversations into training ids and prompts into generation ids, with one tokenizer.

    Args:
        tokenizer: a fast tokenizer with a chat template.
        max_length: longest row in tokens; longer answers are cut at their end (and lose the stop token).
        stop_ids: ids that end an assistant turn.

    Raises:
        PromptError: the tokenizer fails an invariant (see ``check``); raised before any row is encoded.
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int, stop_ids: Sequence[int]) -> None:
        self.chat = Chat(tokenizer)
        self.max_length = max_length
        self._tokenizer = tokenizer
        self._backend = tokenizer.backend_tokenizer
        self.stop_ids = frozenset(stop_ids)
        self._guard = Guard(self._backend)
        check(self)

    def encode(self, conversations: Sequence[Sequence[Message]]) -> list[Encoded]:
        """Encode whole conversations, each ending with an assistant turn, as one batch."""
        return [row.encoded() for row in self.rows(conversations)]

    def rows(self, conversations: Sequence[Sequence[Message]]) -> list[Labelled]:
        """The same as ids and the places of the answers among them, for those who build arrays of many
        rows."""
        return self.label(self.tokenize(conversations))

    def tokenize(self, conversations: Sequence[Sequence[Message]]) -> Tokenized:
        """The part of encoding that the tokenizer does, in threads of its own."""
        shapes = [self.chat.shape(messages) for messages in conversations]
        contents = [texts for _, texts in shapes]
        learnt = [
            [turn.learnt for turn in messages if turn.role == "assistant"] for messages in conversations
        ]
        return Tokenized(
            self._tokenize([self.chat.skeleton(roles) for roles, _ in shapes], contents), contents, learnt
        )

    def label(self, tokenized: Tokenized) -> list[Labelled]:
        """The rest of it."""
        return [
            self._label(encoding, skeleton, texts, learnt)
            for (encoding, skeleton), texts, learnt in zip(
                tokenized.encodings, tokenized.contents, tokenized.learnt, strict=True
            )
        ]

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Ids to generate the next assistant turn from; an exact prefix of the training ids."""
        roles, contents = self.chat.shape(messages)
        ((encoding, _),) = self._tokenize([self.chat.skeleton(roles, generate=True)], [contents])
        return list(encoding.ids)

    def reply_prompt(self, messages: Sequence[Message]) -> list[int]:
        """Ids to generate an answer from: ``prompt``, and what the chat template itself puts before every
        answer (an empty block of thoughts, for some), so that what is generated is the answer alone."""
        roles, contents = self.chat.shape(messages)
        asked = self.chat.skeleton(roles, generate=True)
        ((_, lead),) = self.chat.skeleton((*roles, "assistant")).answers[-1:]
        opened = Skeleton((*asked.texts[:-1], asked.texts[-1] + lead.rstrip(" ")), ())
        ((encoding, _),) = self._tokenize([opened], [contents])
        return list(encoding.ids)

    def _tokenize(
        self, skeletons: Sequence[Skeleton], contents: Sequence[Sequence[str]]
    ) -> list[tuple[Encoding, Skeleton]]:
        """The rendered conversations as encodings, each with the skeleton its character positions refer to.

        Contents that spell a special token go through the guarded tokenizer.
        """
        texts = [skeleton.join(parts) for skeleton, parts in zip(skeletons, contents, strict=True)]
        encodings = self._backend.encode_batch(texts, add_special_tokens=False)
        pairs = list(zip(encodings, skeletons, strict=True))
        for i, parts in enumerate(contents):
            if self._guard.needed(parts):
                rename = self._guard.rename
                renamed = Skeleton(
                    tuple(map(rename, skeletons[i].texts)),
                    tuple((turn, rename(lead)) for turn, lead in skeletons[i].answers),
                )
                text = renamed.join(parts)
                pairs[i] = self._guard.tokenizer.encode(text, add_special_tokens=False), renamed
        return pairs

    def _label(
        self, encoding: Encoding, skeleton: Skeleton, contents: Sequence[str], learnt: Sequence[bool]
    ) -> Labelled:
        """Ids, with the places of the answers that are ``learnt``."""
        ids: list[int] = encoding.ids
        answers = []
        spans = skeleton.spans(contents)
        for turn, lead in itertools.compress(skeleton.answers, learnt):
            start, end = spans[turn]
            begin = start - len(lead)
            first = encoding.char_to_token(begin)
            if first is None or _chars(encoding, first)[0] != begin:
                return Labelled([], (), "answer merges with the prompt")
            # A space before the answer may join its first word; other words of the template say nothing of
            # it.
            constant = len(lead.rstrip(" "))
            counted = encoding.char_to_token(begin + constant) if constant else first
            if counted is None:
                return Labelled([], (), "answer merges with the prompt")
            after = _first_token_from(encoding, end, len(ids))
            stop = next((i for i in range(after, len(ids)) if ids[i] in self.stop_ids), len(ids) - 1)
            cut = min(after, self.max_length)
            if counted < cut:
                kept = end if cut == after else _chars(encoding, cut - 1)[1]
                size = len(contents[turn][: max(kept - start, 0)].encode())
                answers.append(Answer(first, min(stop + 1, self.max_length), counted, cut, size))
            else:
                answers.append(Answer(first, min(stop + 1, self.max_length), 0, 0, 0))
        if len(ids) <= self.max_length:
            return Labelled(ids, tuple(answers))
        if not any(answer.bytes_end for answer in answers):
            return Labelled([], (), "prompt longer than max_length")
        return Labelled(ids[: self.max_length], tuple(answers), "answer truncated")


def _first_token_from(encoding: Encoding, position: int, length: int) -> int:
    """Index of the first token that starts at or after ``position``; ``length`` when there is none."""
    for character in range(position, position + 64):
        index = encoding.char_to_token(character)
        if index is not None and _chars(encoding, index)[0] >= position:
            return index
    return length


def _chars(encoding: Encoding, index: int) -> tuple[int, int]:
    """Where a token is in the text; special tokens are not added to it, so that each has its place."""
    return cast("tuple[int, int]", encoding.token_to_chars(index))


_PROBE = (
    Message("system", "You are a medical professional."),
    Message("user", "What is asthma? 38.5 \u00b0C, \u03b2-blocker, \u2265 2 puffs; \u5929"),
    Message("assistant", "A chronic lung disease.\n\n1. Cough\n2. Wheeze"),
)


def check(encoder: Encoder) -> None:
    """Try the invariants of a training example on the tokenizer that is really loaded.

    One BOS at most at the start; the generation prompt an exact prefix of the training ids; the ids those of
    the whole rendered string, no blank added to the template's; the stop token learnt; padding never a stop
    token; special-token strings inside a text never special ids.

    Raises:
        PromptError: naming the invariant that fails and, where there is one, the way out.
    """
    tokenizer, stops = encoder._tokenizer, encoder.stop_ids
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id in stops:
        raise _broken("padding would hide the stop token", "give the tokenizer its own pad token")
    roomy = _roomy(encoder)
    (row,) = roomy.encode([_PROBE])
    if row.problem:
        raise _broken(row.problem, "the chat template must end its generation prompt on a token boundary")
    if row.input_ids[:2] == [tokenizer.bos_token_id] * 2:
        raise _broken("the chat template writes BOS twice", "remove one from the chat template")
    whole = roomy._backend.encode(encoder.chat.render(_PROBE), add_special_tokens=False).ids
    if row.input_ids != whole:
        raise _broken("the chat template rewrites contents", "medft cannot use a template that edits turns")
    if mark := doubled_blank(roomy._backend, encoder.chat.render(_PROBE)):
        raise _broken(
            f"it adds a second space after {mark}",
            "take tokenizer.json and chat template from the same version of the model",
        )
    prompt = encoder.prompt(_PROBE[:-1])
    if row.input_ids[: len(prompt)] != prompt or row.labels[len(prompt)] == IGNORE:
        raise _broken("the generation prompt is not a prefix of the training ids", "see the chat template")
    learnt = [label for label in row.labels if label != IGNORE]
    if learnt[-1] not in stops:
        raise _broken(
            "the chat template ends an answer without a stop token, so the model would never learn to stop",
            "use a chat template that closes the assistant's turn with eos or an end-of-turn token",
        )
    hostile = "".join(encoder._guard.special)
    attacked = encoder.prompt([*_PROBE[:-2], Message("user", f"What is {hostile}?")])
    if _count(attacked, encoder._guard.special) != _count(prompt, encoder._guard.special):
        raise _broken("special-token strings in a question become special ids", "use another tokenizer")


def _roomy(encoder: Encoder) -> Encoder:
    """The same encoder without its length limit, so that a short max_length does not fail the probe."""
    twin = copy(encoder)
    twin.max_length = 1 << 20
    return twin


def _count(ids: Sequence[int], special: dict[str, int]) -> int:
    specials = set(special.values())
    return sum(i in specials for i in ids)


def _broken(what: str, remedy: str) -> PromptError:
    return PromptError(f"this tokenizer cannot give a correct training example: {what}", remedy=remedy)
