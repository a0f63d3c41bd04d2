"""Chat templates: the one that a user gives a model, those that would suit its vocabulary, and how an
assistant's turn ends in one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from medft.config import did_you_mean, nearest
from medft.data.record import Message
from medft.errors import ConfigError, PromptError
from medft.paths import expanded
from medft.prompt.bounded import TemplateError
from medft.prompt.chat import Chat, apply
from medft.prompt.tokenizer import Tokenizer, Turns

_PROBE = "\ue000"  # a private-use character: no template writes it
_TURNS: Turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _PROBE}]
_CONVERSATION = [Message("system", "!"), Message("user", "?"), Message("assistant", "?")]
_OFFERED = 3


def text_of(chosen: str) -> str:
    """The template that ``model.chat_template`` stands for.

    Args:
        chosen: the name of one that TRL ships, a Jinja file, or the text itself.

    Raises:
        ConfigError: neither such a name nor a readable file.
    """
    if "{" in chosen:
        return chosen
    shipped = _shipped()
    path = shipped.get(chosen, expanded(chosen))
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        near = nearest(chosen, list(shipped))
        raise ConfigError(
            f"'{chosen}' is neither a chat template that TRL ships nor a text file ({type(error).__name__})"
            + did_you_mean(near),
            where="model.chat_template",
            remedy=f"one of: {', '.join(shipped)}; or the path of a .jinja file",
        ) from None


def suitable(tokenizer: Tokenizer) -> list[str]:
    """Names of templates that TRL ships and whose markers ``tokenizer`` knows, the best first: an answer ends
    with a special token, and a conversation takes few tokens."""
    own, found = tokenizer.chat_template, dict[str, tuple[int, str]]()
    try:
        for name, path in _shipped().items():
            tokenizer.chat_template = path.read_text(encoding="utf-8")
            try:
                chat = Chat(tokenizer, trusted=True)
                roles, contents = chat.shape(_CONVERSATION)
                text = chat.skeleton(roles).join(contents)
                ends = end_of_turn(tokenizer, trusted=True) is not None
            except PromptError:  # a template for another kind of tokenizer
                ends = False
            if ends and text not in found:
                found[text] = len(tokenizer.encode(text, add_special_tokens=False)), name
    finally:
        tokenizer.chat_template = own
    return [name for _, name in sorted(found.values())][:_OFFERED]


def end_of_turn(tokenizer: Tokenizer, *, trusted: bool = False) -> int | None:
    """The first special token after an answer, or None where the template writes none; ``trusted`` as
    ``Chat`` takes it.

    Raises:
        PromptError: the template refuses a question and its answer.
    """
    try:
        text = apply(tokenizer, _TURNS, trusted=trusted)
    except TemplateError as error:
        raise PromptError(
            f"the chat template refuses a question and its answer: {error}",
            remedy="check chat_template.jinja of this model, or model.chat_template",
        ) from error
    after = text.rpartition(_PROBE)[2]
    special = set(tokenizer.all_special_ids)
    special |= {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return next((i for i in tokenizer.encode(after, add_special_tokens=False) if i in special), None)


def _shipped() -> dict[str, Path]:
    """TRL's templates by name; its variants for training differ in marks that medft does not need."""
    package = find_spec("trl")
    places = package.submodule_search_locations if package else None
    found = sorted(path for place in places or () for path in Path(place).glob("chat_templates/*.jinja"))
    return {path.stem: path for path in found if not path.stem.endswith("_training")}
