"""Load a checkpoint's own tokenizer, with a token that pads and ends no answer; which ids end one; a
tokenizer's content hash.

How text is split is never changed here, and no engine may change it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

from medft.errors import ConfigError, EngineError, PromptError
from medft.models import plain_tokenizer
from medft.models.chat_templates import end_of_turn, suitable, text_of
from medft.prompt.tokenizer import Tokenizer

log = logging.getLogger(__name__)


def load(
    path: Path, pad_token: str | None = None, chat_template: str | None = None, *, counting: bool = False
) -> Tokenizer:
    """The fast tokenizer of folder ``path``, with a pad token that ends no answer.

    A pad token that is missing, or that also ends an answer (its loss would be masked with the padding and
    stopping never learnt), is replaced by another token of the same vocabulary, and that is logged. Padding
    carries no loss and no attention, so any will do.

    Args:
        path: the folder of a checkpoint.
        pad_token: the token to pad with; None: one is chosen.
        chat_template: how conversations are written, as ``chat_templates.text_of`` takes it; None: the
            tokenizer's own.
        counting: whether a tokenizer will do that splits texts alike and does no more, see
        ``plain_tokenizer``.

    Returns:
        A ``transformers.PreTrainedTokenizerFast``, or a ``PlainTokenizer``.

    Raises:
        ConfigError: ``pad_token`` is not in the vocabulary, or ends answers; no such ``chat_template``.
        EngineError: no tokenizer in the folder, or one without a fast implementation.
        PromptError: no chat template, or no end-of-sequence token.
    """
    tokenizer: Tokenizer = (plain_tokenizer.read(path) if counting else None) or read(path)
    if chat_template is not None:
        tokenizer.chat_template = text_of(chat_template)
    if not tokenizer.chat_template:
        fitting = " | ".join(suitable(tokenizer)) or "<a .jinja file>"
        raise PromptError(
            "this tokenizer has no chat template, so nothing says how its model wants to be asked",
            where=str(path),
            remedy=f"use the instruction-tuned version of the model, or teach this one a template that its "
            f"vocabulary has the marks for: model.chat_template={fitting}",
        )
    if tokenizer.eos_token_id is None:
        raise PromptError(
            "this tokenizer has no end-of-sequence token, so no answer could end",
            where=str(path),
            remedy='set "eos_token" in tokenizer_config.json',
        )
    stops = stop_ids(tokenizer, path)
    if pad_token is None:
        _choose_pad(tokenizer, stops)
    else:
        _take_pad(tokenizer, stops, pad_token)
    return tokenizer


def stop_ids(tokenizer: Tokenizer, checkpoint: Path | None = None) -> tuple[int, ...]:
    """The ids that must end generation, ascending.

    They are the tokenizer's end of sequence, the special token that the chat template ends an assistant turn
    with, and what ``generation_config.json`` (else ``config.json``) of the folder ``checkpoint`` names.
    """
    ids = {tokenizer.eos_token_id, end_of_turn(tokenizer)}
    if checkpoint is not None:
        ids.update(_configured(checkpoint))
    return tuple(sorted(number for number in ids if number is not None))


def fingerprint(tokenizer: Tokenizer) -> str:
    """SHA-256 of what turns messages into ids: vocabulary and rules, chat template, special tokens."""
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    for state in ("truncation", "padding"):  # set by the latest call, not part of the tokenizer
        rules.pop(state, None)
    specials = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    content = json.dumps([rules, tokenizer.chat_template, specials], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def read(path: Path) -> Tokenizer:
    """The fast tokenizer of folder ``path`` as it lies there.

    Raises:
        EngineError: no tokenizer in the folder, or one without a fast implementation.
    """
    from transformers import AutoTokenizer

    if not any((path / name).is_file() for name in ("tokenizer.json", "tokenizer.model")):
        raise EngineError(
            "this folder holds no tokenizer",
            where=str(path),
            remedy="copy tokenizer.json and tokenizer_config.json of the model there",
        )
    try:
        tokenizer: Tokenizer = AutoTokenizer.from_pretrained(
            path, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # each tokenizer class and the Rust parser raise their own kinds
        raise EngineError(
            f"this tokenizer cannot be loaded: {type(error).__name__}",
            where=str(path),
            remedy="fetch its files again; a tokenizer that needs code of its own is not supported",
        ) from error
    if not getattr(tokenizer, "is_fast", False):
        raise EngineError(
            "this model has no fast tokenizer, which keeps the place of each token in the text",
            where=str(path),
            remedy="add the model's tokenizer.json",
        )
    return tokenizer


def _take_pad(tokenizer: Tokenizer, stops: tuple[int, ...], pad: str) -> None:
    number = tokenizer.get_vocab().get(pad)
    if number is None or number in stops:
        raise ConfigError(
            f"the token {pad!r} {'is not in this vocabulary' if number is None else 'also ends answers'}",
            where="model.pad_token",
            remedy="name another token of the vocabulary, or remove the setting: one is then chosen",
        )
    tokenizer.pad_token = pad


def _choose_pad(tokenizer: Tokenizer, stops: tuple[int, ...]) -> None:
    pad = tokenizer.pad_token
    if pad is not None and tokenizer.pad_token_id not in stops:
        return
    chosen = next(_pads(tokenizer, stops))
    tokenizer.pad_token = chosen
    log.warning(
        "pad token %s instead of %s, which %s%s",
        chosen, pad, "is missing" if pad is None else "also ends an answer",
        "" if chosen in _added(tokenizer) else "; an ordinary word, since the vocabulary has nothing better",
    )  # fmt: skip


def _pads(tokenizer: Tokenizer, stops: tuple[int, ...]) -> Iterator[str]:
    """Tokens that could pad: made for it, for unknown text, never written by the chat template, any."""
    vocabulary, template = tokenizer.get_vocab(), tokenizer.chat_template or ""
    added = [token for token in _added(tokenizer) if vocabulary[token] not in stops]
    idle = [token for token in added if token != tokenizer.bos_token and token not in template]
    for purpose in ("pad", "reserved"):
        yield from (token for token in idle if purpose in token.lower())
    if tokenizer.unk_token is not None and vocabulary[tokenizer.unk_token] not in stops:
        yield tokenizer.unk_token
    yield from idle
    rarest_first = sorted(vocabulary, key=vocabulary.__getitem__, reverse=True)  # in nearly every vocabulary
    yield from (token for token in rarest_first if vocabulary[token] not in stops)


def _added(tokenizer: Tokenizer) -> list[str]:
    """The tokens beside the learnt vocabulary, by id."""
    return [token.content for _, token in sorted(tokenizer.added_tokens_decoder.items())]


def _configured(checkpoint: Path) -> list[int]:
    for name in ("generation_config.json", "config.json"):
        path = checkpoint / name
        ids = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id") if path.is_file() else None
        if ids is not None:
            return [ids] if isinstance(ids, int) else list(ids)
    return []
