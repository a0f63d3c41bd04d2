"""Compares the answers of merged weights with those of base + adapter on the same rows, through plain
transformers and peft.

The models are loaded one after another. Validation rows choose between two ways of rounding; test rows judge
what was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medft.aliases import Advance
from medft.errors import MergeError
from medft.merge.answers import (
    Answers,
    Place,
    Row,
    ask,
    config_of,
    load,
    place_for,
    tokens,
    within_float16,
)
from medft.merge.inputs import Inputs
from medft.merge.kept import Interval, ratio

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

FEWEST = 4
"""Rows that are asked at least, where there are as many."""
NARROW = 0.5
"""No more rows are asked once the interval of the gain reaches no further than this share of it."""


WORTH, LEAST = 0.01, 0.005
"""The 4-bit base is taken where the adapter is shown to be better on it by more than this share of its gain,
as much as a merge may lose, and by more than so many nats per token."""


class GainLostError(MergeError):
    """The weights are exact, and their rounding costs what another would not."""


class BetterBaseError(MergeError):
    """The adapter is better on the 4-bit base that it was trained on than on the one it was merged into."""

    def __init__(self, what: str, where: str, remedy: str, bases: BaseChoice) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.bases = bases


def _silent(rows: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Questions:
    """What the models are asked."""

    rows: Sequence[Row]
    """The rows that judge, in the order in which they are asked."""
    split: str = "test"
    """Which split they are of."""
    choice: Sequence[Row] = ()
    """Validation rows that choose between stochastic rounding and rounding to nearest; none: no choice."""
    bases: Sequence[Row] = ()
    """Validation rows that choose between the 16-bit base and the 4-bit one; none: no choice."""


@dataclass(frozen=True, slots=True)
class LogitDistance:
    """How far one model's answers are from another's."""

    relative: float | None
    """||difference of the logits|| / ||what the adapter changes in them||; None for an adapter without
    effect."""
    top1_agreement: float
    """Share of positions at which both find the same token likeliest."""
    kl: float
    """Mean Kullback-Leibler divergence over positions, in nats."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Why weights were rounded stochastically: both ways beside base + adapter, on validation rows."""

    rows: int
    """Rows that were asked."""
    stochastic: float
    """Mean Kullback-Leibler divergence of the stochastically rounded weights, in nats."""
    nearest: float
    """The same of weights rounded to nearest."""
    lost_to_nearest: float | None
    """Share of the gain on these rows that rounding to nearest would lose; None where there is no gain."""


@dataclass(frozen=True, slots=True)
class BaseChoice:
    """On which base the adapter is better, before anything is merged: validation rows."""

    rows: int
    """Rows that were asked."""
    gained: Interval
    """Loss of 16-bit base + adapter less that of the 4-bit base + adapter, in nats per token: above 0 where
    the adapter is better on the base that it was trained on."""
    gain: float
    """What the adapter gains on the 16-bit base, in nats per token."""


@dataclass(frozen=True, slots=True)
class LogitReport:
    """Merged weights, loaded from the disk, beside what they should be."""

    compute_dtype: str
    """Type that the models were run in."""
    devices: tuple[str, ...]
    """Where they were run: all of them on the same one."""
    split: str
    """Which split was asked."""
    rows: int
    """Rows that were asked: fewer where few tell the gain well enough."""
    positions: int
    """Positions whose logits were compared."""
    written: LogitDistance | None
    """Weights rounded to nearest, to peft's merge of the same base and adapter in memory, rounded alike:
    nothing but faults. None for another rounding."""
    rounding: LogitDistance
    """To the base + adapter, unmerged: what the type of the merged weights costs."""
    quantised: LogitDistance | None
    """The 4-bit base + adapter, as it was trained, to the base + adapter, both unmerged; None without one."""
    heldout_loss: dict[str, float]
    """Nats per token of ``base``, ``adapted``, ``merged`` and ``quantised``."""
    gain: Interval | None
    """Loss of the base less that of base + adapter, in nats per token."""
    lost: Interval | None
    """Share of that gain that the merged weights lose."""
    quantised_lost: Interval | None
    """Share of the gain on this base that the adapter has not on the 4-bit base; None without one."""
    choice: Choice | None
    """How the rounding was chosen; None where it was not chosen on rows."""
    bases: BaseChoice | None
    """How the base was chosen; None where there was one only, or no rows to choose on."""


def compare(inputs: Inputs, merged: Path, questions: Questions, advance: Advance = _silent) -> LogitReport:
    """Ask base, base + adapter, peft's merge to nearest, the merged folder and the 4-bit base + adapter.

    Args:
        inputs: what was merged.
        merged: the weights to judge.
        questions: the rows.
        advance: called for each row that a model has read.

    Raises:
        GainLostError: weights rounded to nearest answer validation rows more like base + adapter.
        BetterBaseError: the adapter answers validation rows better on the 4-bit base.
        MergeError: float16 cannot hold what the model computes.
        NoRoomError: no device has the memory for them.
    """
    from peft import PeftModel

    stored = config_of(merged).dtype
    place = place_for(merged, stored)
    rows, trial, both = map(_with_loss, (questions.rows, questions.choice, questions.bases))
    model = load(inputs.base, place)
    unmerged = PeftModel.from_pretrained(model, inputs.adapter).eval()
    plain, adapted = _base_and_adapted(unmerged, rows, advance)
    rows = rows[: len(adapted.nats)]
    tried = _both(unmerged, trial, advance)
    if inputs.trained_on is None or inputs.merging.base != "auto":
        both = []
    bare, here = _both(unmerged, both, advance)
    to_nearest = inputs.merging.method(str(stored).removeprefix("torch."), 0).rounding == "nearest"
    known = rows[:FEWEST] if to_nearest else trial
    nearest = _to_nearest(unmerged.merge_and_unload(), stored, place.dtype, known, advance) if known else None
    del model, unmerged
    there, trained = _as_trained(inputs, place, (both, rows), advance)
    bases = _better_base(bare, here, there, both, merged) if both and there else None
    model = load(merged, place)
    with within_float16(model, merged) if str(stored) == "torch.float16" else nullcontext():
        choice = _choice(*tried, nearest, ask(model, trial, advance), merged) if trial and nearest else None
        written = ask(model, rows, advance)
    models = {"base": plain, "adapted": adapted, "merged": written, "quantised": trained}
    gains = adapted.less(plain)
    return LogitReport(
        compute_dtype=str(place.dtype).removeprefix("torch."),
        devices=(place.device,),
        split=questions.split,
        rows=len(rows),
        positions=len(written.stacked),
        written=_distance(written.first(FEWEST), nearest, plain.first(FEWEST))
        if to_nearest and nearest
        else None,
        rounding=_distance(written, adapted, plain),
        quantised=_distance(trained, adapted, plain) if trained else None,
        heldout_loss={name: sum(a.nats) / sum(tokens(rows)) for name, a in models.items() if a},
        gain=ratio(gains, tokens(rows)),
        lost=ratio(adapted.less(written), gains),
        quantised_lost=ratio(adapted.less(trained), gains) if trained else None,
        choice=choice,
        bases=bases,
    )


def _with_loss(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if any(tokens([row]))]


def _as_trained(
    inputs: Inputs, place: Place, of: tuple[Sequence[Row], Sequence[Row]], advance: Advance
) -> tuple[Answers | None, Answers | None]:
    """Answers of the 4-bit base + adapter to two sets of rows; None where the adapter was not trained so."""
    from peft import PeftModel

    if inputs.trained_on is None:
        return None, None
    packed = load(inputs.trained_on, place, as_stored=True)
    model = PeftModel.from_pretrained(packed, inputs.adapter).eval()
    return ask(model, of[0], advance), ask(model, of[1], advance)


def _base_and_adapted(model: PeftModel, rows: Sequence[Row], advance: Advance) -> tuple[Answers, Answers]:
    """Base and base + adapter on as many rows as it takes to know the gain to ``NARROW`` of itself."""
    plain, adapted = Answers(), Answers()
    for asked, row in enumerate(rows, 1):
        _both(model, [row], advance, plain, adapted)
        gain = ratio(adapted.less(plain), tokens(rows[:asked]))
        if asked >= FEWEST and gain and gain.value - gain.low <= NARROW * gain.value:
            break
    return plain, adapted


def _both(
    model: PeftModel,
    rows: Sequence[Row],
    advance: Advance,
    plain: Answers | None = None,
    adapted: Answers | None = None,
) -> tuple[Answers, Answers]:
    with model.disable_adapter():
        plain = ask(model, rows, advance, plain)
    return plain, ask(model, rows, advance, adapted)


def _to_nearest(
    model: PreTrainedModel, stored: torch.dtype, compute: torch.dtype, rows: Sequence[Row], advance: Advance
) -> Answers:
    for parameter in model.parameters():
        parameter.data = parameter.data.to(stored).to(compute)
    return ask(model, rows, advance)


def _choice(plain: Answers, adapted: Answers, nearest: Answers, found: Answers, merged: Path) -> Choice:
    """What validation rows say of weights that were rounded stochastically."""
    stochastic_kl, nearest_kl = (_distance(one, adapted, plain).kl for one in (found, nearest))
    lost = ratio(adapted.less(nearest), adapted.less(plain))
    if nearest_kl < stochastic_kl:
        raise GainLostError(
            f"on {len(plain.nats)} validation rows, stochastic rounding is further from base + adapter "
            f"than rounding to nearest (KL {stochastic_kl:.2g} and {nearest_kl:.2g})",
            where=str(merged),
        )
    return Choice(len(plain.nats), stochastic_kl, nearest_kl, lost.value if lost else None)


def _better_base(
    bare: Answers, here: Answers, there: Answers, rows: Sequence[Row], merged: Path
) -> BaseChoice | None:
    """What validation rows say of the adapter on the 16-bit base (``here``; without it ``bare``) and on the
    4-bit one (``there``)."""
    better, gains, counts = there.less(here), here.less(bare), tokens(rows)
    gained = ratio(better, counts)
    beyond = ratio([more - WORTH * gain for more, gain in zip(better, gains, strict=True)], counts)
    if gained is None or beyond is None:
        return None
    choice = BaseChoice(len(rows), gained, sum(gains) / sum(counts))
    if beyond.low > 0 and gained.low > LEAST:
        raise BetterBaseError(
            f"the adapter is better on the 4-bit base by {gained.value:.2g} nats per token",
            str(merged),
            "merging.base=16-bit takes the other all the same",
            choice,
        )
    return choice


def _distance(found: Answers, expected: Answers, plain: Answers) -> LogitDistance:
    """How far ``found`` is from ``expected``, measured by what sets that apart from ``plain``."""
    import torch

    left, right = found.stacked, expected.stacked
    distance, effect = (float(torch.linalg.norm(right - other)) for other in (left, plain.stacked))
    agreement = (left.argmax(-1) == right.argmax(-1)).double().mean()
    p, q = right.log_softmax(-1), left.log_softmax(-1)
    kl = (p.exp() * (p - q)).sum(-1).mean().clamp(min=0)
    return LogitDistance(distance / effect if effect else None, float(agreement), float(kl))
