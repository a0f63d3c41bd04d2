"""What merged weights answer, beside base + adapter: the same prompts through plain transformers and peft.

The models are loaded one after another, and computed in float32 where they fit, so that what is seen is the
weights' rounding and not the arithmetic's.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medft.merge.inputs import Inputs
from medft.prompt.encoded import IGNORE

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel

Places = dict[str, "int | str | torch.device"]
"""Which layer of a model stands on which device."""

_KEPT = 1 << 25  # logits that are kept per model: 128 MiB in float32


@dataclass(frozen=True, slots=True)
class Questions:
    """What the models are asked."""

    prompts: Sequence[Sequence[int]]
    """Token ids."""
    heldout: Sequence[tuple[Sequence[int], Sequence[int]]]
    """Token ids and labels of rows that were not trained on; label -100 has no loss."""


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
class LogitReport:
    """Merged weights, loaded from the disk, beside what they should be."""

    compute_dtype: str
    """Type that the models were run in."""
    devices: tuple[str, ...]
    """Where they were run: base and merged weights at the same places, layer by layer."""
    positions: int
    """Positions whose logits were compared."""
    written: LogitDistance
    """To peft's merge of the same base and adapter in memory, rounded to the same type: nothing but
    faults."""
    rounding: LogitDistance
    """To the 16-bit base + adapter, unmerged: what rounding to 16 bits costs."""
    quantised: LogitDistance | None
    """To the 4-bit base + adapter, which the adapter was trained on; None without one."""
    heldout_loss: dict[str, float]
    """Nats per token of ``base``, ``adapted``, ``merged`` and ``quantised``; empty without held-out rows."""


@dataclass(slots=True)
class _Answers:
    logits: torch.Tensor
    loss: float | None


def compare(inputs: Inputs, merged: Path, questions: Questions) -> LogitReport:
    """Ask base, base + adapter, peft's merge, the merged folder and the 4-bit base + adapter the same."""
    import torch
    from peft import PeftModel

    stored = _config(merged).dtype
    compute = _compute_dtype(merged, stored)
    model = _load(inputs.base, compute, "auto")
    places = _places(model)
    plain = _ask(model, questions)
    model = PeftModel.from_pretrained(model, inputs.adapter).eval()
    adapted = _ask(model, questions)
    model = model.merge_and_unload()
    for parameter in model.parameters():
        parameter.data = parameter.data.to(stored).to(compute)
    in_memory = _ask(model, questions)
    del model
    written = _ask(_load(merged, compute, places), questions)
    trained = None
    if inputs.trained_on is not None:
        packed = _load(inputs.trained_on, None, "auto")
        trained = _ask(PeftModel.from_pretrained(packed, inputs.adapter).eval(), questions)
    effect = float(torch.linalg.norm(adapted.logits - plain.logits))
    merged_effect = float(torch.linalg.norm(in_memory.logits - plain.logits))
    losses = {"base": plain, "adapted": adapted, "merged": written, "quantised": trained}
    return LogitReport(
        compute_dtype=str(compute).removeprefix("torch."),
        devices=tuple(sorted({f"cuda:{at}" if isinstance(at, int) else str(at) for at in places.values()})),
        positions=len(written.logits),
        written=_distance(written, in_memory, merged_effect),
        rounding=_distance(written, adapted, effect),
        quantised=_distance(written, trained, effect) if trained else None,
        heldout_loss={name: found.loss for name, found in losses.items() if found and found.loss is not None},
    )


def _config(folder: Path) -> PretrainedConfig:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder)


def _compute_dtype(merged: Path, stored: torch.dtype) -> torch.dtype:
    """float32 where the weights fit into memory that way, with a quarter to spare, or else as they are
    stored."""
    import psutil
    import torch

    size = sum(file.stat().st_size for file in merged.glob("*.safetensors")) / stored.itemsize
    free = torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else psutil.virtual_memory().available
    return torch.float32 if size * 4 * 1.25 < free else stored


def _load(folder: Path, compute: torch.dtype | None, places: str | Places) -> PreTrainedModel:
    """The model in ``folder``; a 4-bit one is dequantised first, unless ``compute`` is None.

    Args:
        places: which layer goes where, on a machine with a GPU: "auto" fills the GPUs before the processor.
    """
    import torch
    from transformers import AutoModelForCausalLM

    gc.collect()
    packed = getattr(_config(folder), "quantization_config", None) is not None
    place = {}
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # what the last model left there would count as taken
        place = {"device_map": places}
    dtype = "auto" if packed or compute is None else compute
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, **place)
    if packed and compute is not None:
        model = model.dequantize().to(compute)
    return model.eval()


def _places(model: PreTrainedModel) -> Places:
    """Which layer of a model stands where; transformers keeps no map of one that stands in one place."""
    return getattr(model, "hf_device_map", None) or {"": model.device}


def _ask(model: PreTrainedModel, questions: Questions) -> _Answers:
    import torch

    with torch.inference_mode():
        logits = [_some_rows(_logits(model, ids), len(questions.prompts)) for ids in questions.prompts]
        losses = [_loss(_logits(model, ids), labels) for ids, labels in questions.heldout]
    tokens = sum(count for _, count in losses)
    loss = sum(nats for nats, _ in losses) / tokens if tokens else None
    return _Answers(torch.cat(logits), loss)


def _logits(model: PreTrainedModel, ids: Sequence[int]) -> torch.Tensor:
    import torch

    row = torch.tensor([list(ids)], device=model.device)
    logits: torch.Tensor = model(input_ids=row, use_cache=False).logits[0].float().cpu()
    return logits


def _some_rows(logits: torch.Tensor, prompts: int) -> torch.Tensor:
    """Positions spread evenly over a prompt, few enough for all prompts' logits to stay in memory."""
    import torch

    count = max(1, min(len(logits), _KEPT // logits.shape[1] // prompts))
    return logits[torch.linspace(0, len(logits) - 1, count).long()]


def _loss(logits: torch.Tensor, labels: Sequence[int]) -> tuple[float, int]:
    """Sum of nats over the labelled tokens of a row, and their number."""
    import torch

    shifted = torch.tensor(list(labels))[1:]
    nats = torch.nn.functional.cross_entropy(logits[:-1], shifted, ignore_index=IGNORE, reduction="sum")
    return float(nats), int((shifted != IGNORE).sum())


def _distance(found: _Answers, expected: _Answers, effect: float) -> LogitDistance:
    import torch

    distance = float(torch.linalg.norm(found.logits - expected.logits))
    agreement = (found.logits.argmax(-1) == expected.logits.argmax(-1)).double().mean()
    p, q = (answers.logits.log_softmax(-1) for answers in (expected, found))
    kl = (p.exp() * (p - q)).sum(-1).mean().clamp(min=0)
    return LogitDistance(distance / effect if effect else None, float(agreement), float(kl))
