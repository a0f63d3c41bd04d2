"""Models loaded by plain transformers, and their answers to held-out rows: loss and logits of one pass.

They are computed in float32 where they fit, so that what is seen is the weights' rounding and not the
arithmetic's.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from medft.aliases import Advance
from medft.errors import MergeError
from medft.format import size
from medft.plan.merge_check import SPARE
from medft.prompt.encoded import IGNORE

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PretrainedConfig, PreTrainedModel


class NoRoomError(MergeError):
    """No device has the memory for the models that would be asked."""


Row = tuple[Sequence[int], Sequence[int]]
"""Token ids and labels; label -100 has no loss."""

_KEPT = 1 << 20  # logits that are kept per model and row: 4 MiB in float32
_FLOAT16_MAX = 65504.0


@dataclass(slots=True)
class Answers:
    """What one model made of some rows."""

    logits: list[torch.Tensor] = field(default_factory=list)
    """Logits at some positions of each row."""
    nats: list[float] = field(default_factory=list)
    """Loss of each row."""

    @property
    def stacked(self) -> torch.Tensor:
        """The logits of all rows, position by position."""
        import torch

        return torch.cat(self.logits)

    def first(self, rows: int) -> Answers:
        """Those to the first ``rows``."""
        return Answers(self.logits[:rows], self.nats[:rows])

    def less(self, other: Answers) -> list[float]:
        """By how many nats each row's loss is below that of ``other``, on the rows that both have read."""
        return [b - a for a, b in zip(self.nats, other.nats, strict=False)]


def tokens(rows: Sequence[Row]) -> list[int]:
    """Tokens of each row that have a loss."""
    return [sum(label != IGNORE for label in labels[1:]) for _, labels in rows]


def config_of(folder: Path) -> PretrainedConfig:
    """The configuration of the model in ``folder``."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder)


@dataclass(frozen=True, slots=True)
class Place:
    """Where every model of a comparison is run, and in which type."""

    device: str
    """One device: a GPU and a processor round differently, and a short run changes less than that."""
    dtype: torch.dtype
    """float32, or the type of the merged weights."""


def place_for(merged: Path, stored: torch.dtype) -> Place:
    """The GPU where the weights fit there with a quarter to spare, else the processor; in float32 where that
    fits too. A model is never spread: peft would plan anew where the adapter's layers go.

    Raises:
        NoRoomError: they fit nowhere.
    """
    import torch

    weights = sum(file.stat().st_size for file in merged.glob("*.safetensors")) / stored.itemsize
    there = _free()
    for device, free in there.items():
        for dtype in (torch.float32, stored):
            if weights * dtype.itemsize * SPARE < free:
                return Place(device, dtype)
    needed = size(weights * stored.itemsize * SPARE)
    has = " and ".join(f"{device} has {size(free)}" for device, free in there.items())
    raise NoRoomError(f"that needs {needed} of memory, and {has} free", where=str(merged))


def _free() -> dict[str, int]:
    """Bytes free on the GPU that this process uses, where there is one, and on the host."""
    import psutil
    import torch

    gpu = {"cuda:0": torch.cuda.mem_get_info(0)[0]} if torch.cuda.is_available() else {}
    return {**gpu, "cpu": psutil.virtual_memory().available}


def load(folder: Path, place: Place, as_stored: bool = False) -> PreTrainedModel:
    """The model in ``folder``, whole and in its place; a 4-bit one dequantised, unless ``as_stored``."""
    import torch
    from transformers import AutoModelForCausalLM

    gc.collect()
    packed = getattr(config_of(folder), "quantization_config", None) is not None
    where = {}
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # what the last model left there would count as taken
        where = {"device_map": {"": place.device}}
    dtype = "auto" if packed or as_stored else place.dtype
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, **where)
    vars(model).pop("hf_device_map", None)  # peft would move what is mapped to a processor to a GPU
    if packed and not as_stored:
        model = model.dequantize().to(place.dtype)
    return model.eval()


def ask(
    model: PreTrainedModel | PeftModel, rows: Sequence[Row], advance: Advance, before: Answers | None = None
) -> Answers:
    """The model's answers to ``rows``, after those of ``before``; ``advance`` is called for each row."""
    import torch

    answers = before or Answers()
    for ids, labels in rows:
        told = torch.tensor(list(labels))[1:]
        at = (
            (told != IGNORE).nonzero().flatten()
        )  # a head over a large vocabulary is a fifth of a small model
        row = torch.tensor([list(ids)], device=model.device)
        with torch.inference_mode():
            logits = model(input_ids=row, use_cache=False, logits_to_keep=at.to(row.device)).logits
        found = logits[0].float().cpu()
        answers.nats.append(float(torch.nn.functional.cross_entropy(found, told[at], reduction="sum")))
        answers.logits.append(_some(found))
        advance(1)
    return answers


def _some(logits: torch.Tensor) -> torch.Tensor:
    """Positions spread evenly over an answer, few enough for those of all rows to stay in memory."""
    import torch

    count = max(1, min(len(logits), _KEPT // logits.shape[1]))
    return logits[torch.linspace(0, len(logits) - 1, count).long()]


@contextmanager
def within_float16(model: PreTrainedModel, folder: Path) -> Iterator[None]:
    """Refuse what the model computes within the block where float16 could not hold it.

    Raises:
        MergeError: an activation is larger than the largest number of float16.
    """
    largest: dict[str, float] = {}
    hooks = [
        m.register_forward_hook(partial(_note_largest, largest, name)) for name, m in model.named_modules()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    name = max(largest, key=lambda key: largest[key], default="")
    if name and not largest[name] <= _FLOAT16_MAX:
        raise MergeError(
            f"an activation of {name} reaches {largest[name]:.3g}, but the largest float16 is "
            f"{_FLOAT16_MAX:.0f}",
            where=str(folder),
            remedy="merging.dtype=bfloat16 or float32",
        )


def _note_largest(
    largest: dict[str, float], name: str, _module: object, _inputs: object, output: object
) -> None:
    """The largest activation of a module so far; a forward hook of PyTorch's."""
    import torch

    for part in output if isinstance(output, tuple) else (output,):
        if isinstance(part, torch.Tensor) and part.is_floating_point() and part.numel():
            largest[name] = max(largest.get(name, 0.0), float(part.abs().max()))
