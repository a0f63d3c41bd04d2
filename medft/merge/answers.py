"""Models loaded by plain transformers, and their answers to held-out rows: loss and logits of one pass.

They are computed in float32 where they fit, so that what is seen is the weights' rounding and not the
arithmetic's.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medft.aliases import Advance
from medft.errors import MergeError
from medft.prompt.encode import IGNORE

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PretrainedConfig, PreTrainedModel

    Places = dict[str, int | str | torch.device]
    """Which layer of a model stands on which device."""

Row = tuple[Sequence[int], Sequence[int]]
"""Token ids and labels; label -100 has no loss."""

_KEPT = 1 << 20  # logits that are kept per model and row: 4 MiB in float32
_FLOAT16_MAX = 65504.0


@dataclass(slots=True)
class Answers:
    """What one model made of some rows."""

    logits: list[torch.Tensor] = field(default_factory=list)
    """Of some positions of each row."""
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


def compute_dtype(merged: Path, stored: torch.dtype) -> torch.dtype:
    """float32 where the weights fit into memory that way, with a quarter to spare, or else as they are
    stored."""
    import psutil
    import torch

    size = sum(file.stat().st_size for file in merged.glob("*.safetensors")) / stored.itemsize
    free = torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else psutil.virtual_memory().available
    return torch.float32 if size * 4 * 1.25 < free else stored


def load(folder: Path, compute: torch.dtype | None, places: str | Places) -> PreTrainedModel:
    """The model in ``folder``; a 4-bit one is dequantised first, unless ``compute`` is None.

    Args:
        folder: weights and config.json.
        compute: type that it is run in.
        places: which layer goes where, on a machine with a GPU: "auto" fills the GPUs before the processor.
    """
    import torch
    from transformers import AutoModelForCausalLM

    gc.collect()
    packed = getattr(config_of(folder), "quantization_config", None) is not None
    place = {}
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # what the last model left there would count as taken
        place = {"device_map": places}
    dtype = "auto" if packed or compute is None else compute
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, **place)
    if packed and compute is not None:
        model = model.dequantize().to(compute)
    return model.eval()


def places_of(model: PreTrainedModel) -> Places:
    """Which layer of a model stands where; transformers keeps no map of one that stands in one place."""
    return getattr(model, "hf_device_map", None) or {"": model.device}


def ask(
    model: PreTrainedModel | PeftModel, rows: Sequence[Row], advance: Advance, before: Answers | None = None
) -> Answers:
    """The model's answers to ``rows``, after those of ``before``; ``advance`` is told of each row."""
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
    import torch

    largest: dict[str, float] = {}

    def see(name: str) -> Callable[[object, object, object], None]:
        def hook(_module: object, _inputs: object, output: object) -> None:
            parts = output if isinstance(output, tuple) else (output,)
            for part in parts:
                if isinstance(part, torch.Tensor) and part.is_floating_point() and part.numel():
                    largest[name] = max(largest.get(name, 0.0), float(part.abs().max()))

        return hook

    hooks = [module.register_forward_hook(see(name)) for name, module in model.named_modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    name = max(largest, key=lambda key: largest[key], default="")
    if name and not largest[name] <= _FLOAT16_MAX:
        raise MergeError(
            f"an activation of {name} reaches {largest[name]:.3g}, and float16 ends at {_FLOAT16_MAX:.0f}",
            where=str(folder),
            remedy="merging.dtype=bfloat16 or float32",
        )
