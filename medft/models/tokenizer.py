"""Load a checkpoint's own tokenizer and check that it can teach a model to answer and to stop.

Owns the choice of a pad token, which ids end an answer, and the content hash of a tokenizer. Never changes
how text is split and never lets an engine do so. Knows nothing of prompts or masks.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from medft.errors import EngineError, PromptError
from medft.prompt.tokenizer import Tokenizer

log = logging.getLogger(__name__)

PAD_CANDIDATES = ("<|finetune_right_pad_id|>", "<pad>", "[PAD]", "<|pad|>", "<unk>")
"""Tokens that a vocabulary may hold and no text needs, in the order they are tried."""

_PROBE = "\ue000"  # a private-use character: no template writes it


def load(path: Path) -> Tokenizer:
    """The fast tokenizer of folder ``path``, with a pad token that ends no answer.

    A pad token that is missing, or that also ends an answer (its loss would be masked with the padding and
    stopping never learnt), is replaced by another token of the same vocabulary, and that is logged.

    Returns:
        A ``transformers.PreTrainedTokenizerFast``.

    Raises:
        EngineError: no tokenizer in the folder, or one without a fast implementation.
        PromptError: no chat template, no end-of-sequence token, or nothing that can pad.
    """
    tokenizer = _read(path)
    if not tokenizer.chat_template:
        raise PromptError(
            "this tokenizer has no chat template, so nothing says how its model wants to be asked",
            where=str(path),
            remedy="use the instruction-tuned version of the model, or put its chat_template.jinja there",
        )
    if tokenizer.eos_token_id is None:
        raise PromptError(
            "this tokenizer has no end-of-sequence token, so no answer could end",
            where=str(path),
            remedy='set "eos_token" in tokenizer_config.json',
        )
    _choose_pad(tokenizer, stop_ids(tokenizer, path), path)
    return tokenizer


def stop_ids(tokenizer: Tokenizer, checkpoint: Path | None = None) -> tuple[int, ...]:
    """The ids that must end generation, ascending.

    They are the tokenizer's end of sequence, the special token that the chat template ends an assistant turn
    with, and what ``generation_config.json`` (else ``config.json``) of the folder ``checkpoint`` names.
    """
    ids = {tokenizer.eos_token_id, _end_of_turn(tokenizer)}
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


def _read(path: Path) -> Tokenizer:
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


def _choose_pad(tokenizer: Tokenizer, stops: tuple[int, ...], path: Path) -> None:
    pad = tokenizer.pad_token
    if pad is not None and tokenizer.pad_token_id not in stops:
        return
    known = tokenizer.get_vocab()
    for candidate in PAD_CANDIDATES:
        if candidate in known and known[candidate] not in stops:
            tokenizer.pad_token = candidate
            log.warning(
                "pad token %s instead of %s, which %s",
                candidate, pad, "is missing" if pad is None else "also ends an answer",
            )  # fmt: skip
            return
    raise PromptError(
        "no token of this vocabulary can pad without also ending answers",
        where=str(path),
        remedy=f'set "pad_token" in tokenizer_config.json; tried {", ".join(PAD_CANDIDATES)}',
    )


def _end_of_turn(tokenizer: Tokenizer) -> int | None:
    """The first special token after an answer, or None where the template writes none."""
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _PROBE}]
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False)
    except Exception as error:  # Jinja's own kinds, and what templates raise themselves
        raise PromptError(
            f"the chat template refuses a question and its answer: {error}",
            remedy="check chat_template.jinja of this model",
        ) from error
    after = str(text).rpartition(_PROBE)[2]
    special = set(tokenizer.all_special_ids)
    special |= {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return next((i for i in tokenizer.encode(after, add_special_tokens=False) if i in special), None)


def _configured(checkpoint: Path) -> list[int]:
    for name in ("generation_config.json", "config.json"):
        path = checkpoint / name
        ids = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id") if path.is_file() else None
        if ids is not None:
            return [ids] if isinstance(ids, int) else list(ids)
    return []
