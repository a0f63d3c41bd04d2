"""The steps that train, plan, merge and prepare share: encode, plan, merge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medft import ranks
from medft.aliases import Advance, Json
from medft.data.prepare import Prepared
from medft.data.record import SPLITS
from medft.errors import ConfigError, HubError
from medft.machine import probe
from medft.merge.inputs import Inputs
from medft.merge.run import merge_run
from medft.models.base_models import Base, merging_base, settled
from medft.models.chat_templates import text_of
from medft.models.folder import window
from medft.plan.lengths import Lengths
from medft.plan.plan import make as make_plan
from medft.plan.request import Request
from medft.plan.resolve import Resolved
from medft.plan.result import Plan
from medft.plan.shape import read_shape, shape_of
from medft.prompt.tokenizer import Tokenizer
from medft.prompt.tokens import EncodedSplit, encode_splits
from medft.runs import RunDir
from medft.screen import Screen
from medft.verbs.lines import say_merged

if TYPE_CHECKING:
    from medft.verbs.train_config import TrainConfig


@dataclass(frozen=True, slots=True)
class Tokens:
    """A data set as one tokenizer's ids."""

    tokenizer: Tokenizer
    """The tokenizer, loaded and checked."""
    fingerprint: str
    """Its content."""
    stop_ids: tuple[int, ...]
    """Ids that end an answer."""
    splits: dict[str, EncodedSplit]
    """The rows, by split."""


def decided(config: TrainConfig, resolved: Resolved) -> TrainConfig:
    """The settings with what was left open and every part of a run must agree on: whether the base is held in
    4 bits, where the weights of a real model come from, and the text of a chat template that was named."""
    model = settled(config.model) if resolved.scale == "full" else config.model
    if model.chat_template is not None:
        model = replace(model, chat_template=text_of(model.chat_template))
    return replace(config, model=model, engine=replace(config.engine, load_in_4bit=resolved.load_in_4bit))


def encode(
    config: TrainConfig, prepared: Prepared, base: Path, advance: Advance = lambda rows: None
) -> Tokens:
    """Load the base's tokenizer, check it, and encode every split with it, or find them encoded.

    Raises:
        PromptError: the tokenizer cannot give a correct training example, or no row is left.
    """
    from medft.models import tokenizer as tokenizers
    from medft.prompt.encode import Encoder

    tokenizer = tokenizers.load(base, config.model.pad_token, config.model.chat_template)
    stop_ids, fingerprint = tokenizers.stop_ids(tokenizer, base), tokenizers.fingerprint(tokenizer)
    splits = encode_splits(
        {name: partial(prepared.records, name) for name in SPLITS},
        config.template,
        Encoder(tokenizer, config.trainer.max_length, stop_ids),
        config.trainer.too_long,
        cache=config.processed / "tokens",
        fingerprint=f"{prepared.fingerprint}|{fingerprint}",
        advance=advance,
    )
    return Tokens(tokenizer, fingerprint, stop_ids, splits)


def merge(
    config: TrainConfig,
    scale: Literal["full", "tiny"],
    folder: RunDir,
    base: Base,
    tokens: Tokens,
    screen: Screen,
) -> Json:
    """merged/: written, judged from disk on held-out rows, and only then called so.

    Raises:
        MergeError: it could not be written, or is not what base + adapter are.
    """
    own = config.merging.base == "4-bit"
    if own and not config.engine.load_in_4bit:
        raise ConfigError(
            "the adapter was not trained on a 4-bit base",
            where="merging.base=4-bit",
            remedy="merging.base=auto",
        )
    inputs = Inputs(
        (base if own else _merging_base(config, scale, base, screen)).folder,
        folder.adapter,
        tokens.stop_ids,
        base.folder if config.engine.load_in_4bit and not own else None,
        config.merging,
        config.seed,
    )
    splits = {name: tokens.splits[name].path for name in reversed(SPLITS)}
    with screen.bar(None, "checking merged/, reading held-out") as advance:
        report = merge_run(folder, inputs, splits, int(config.max_shard_gb * 1e9), advance)
    say_merged(screen, folder, report)
    return report


def _merging_base(config: TrainConfig, scale: Literal["full", "tiny"], base: Base, screen: Screen) -> Base:
    """The 16-bit base; where no hub gives it, the 4-bit one that the adapter was trained on."""
    try:
        return merging_base(config.model, scale, config.artifacts)
    except HubError as error:
        if not config.engine.load_in_4bit:
            raise
        screen.line("notice", f"{error.what}: merging into the 4-bit base, dequantised")
        return base


def plan_of(config: TrainConfig, resolved: Resolved, lengths: Lengths, base: Path | None) -> Plan:
    """What a run with these settings will do here.

    Args:
        config: the settings.
        resolved: engine, scale and type.
        lengths: of the rows.
        base: the folder of the base; None where it is not on this machine.
    """
    shape = read_shape(base) if base else shape_of(config.model, resolved.load_in_4bit)
    context = window(base) if base else config.model.context_length
    request = Request(
        config.model, config.trainer, config.lora, config.engine, shape, lengths, config.artifacts,
        config.merge, context, ranks.count(),
    )  # fmt: skip
    return make_plan(request, resolved, probe())
