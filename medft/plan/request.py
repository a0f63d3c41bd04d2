"""The request to plan: settings and row lengths, as the numbers from which memory and disk are estimated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medft.data.record import SPLITS
from medft.engine.base import EngineConfig, LoraConfig
from medft.machine import Machine
from medft.models.registry import ModelConfig, ShapeConfig, lora_parameters, projections
from medft.plan import lengths
from medft.plan.disk import Disk, disk, to_download
from medft.plan.fit import Memory, Recipe
from medft.plan.lengths import Lengths
from medft.plan.resolve import Resolved
from medft.training.config import TrainerConfig
from medft.training.memory import Workload
from medft.training.objective import estimate


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be planned."""

    model: ModelConfig
    """The base."""
    trainer: TrainerConfig
    """The recipe as it was asked for."""
    lora: LoraConfig
    """The adapter."""
    engine: EngineConfig
    """How the base is to be held."""
    shape: ShapeConfig | None
    """Sizes of what will be loaded: the base, or its twin."""
    lengths: Lengths
    """The rows."""
    artifacts: Path
    """Where runs are written."""
    merge: bool
    """Whether merged weights are."""
    context: int | None = None
    """The longest sequence that the base was made for, in tokens; None where that is not known."""
    devices: int = 1
    """Processes that train together."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Projections that get an adapter; none where sizes are not known."""
        return self.lora.target_modules or (tuple(projections(self.shape)) if self.shape else ())

    @property
    def adapter(self) -> int | None:
        """Weights of the adapter; None where sizes or targets are not those of the known architecture."""
        if self.shape is None:
            return None
        try:
            return lora_parameters(self.shape, self.lora.r, self.targets)
        except KeyError:
            return None


def memory_of(request: Request, resolved: Resolved, machine: Machine) -> Memory | None:
    """What a recipe needs, as a function of it; None where sizes are not known."""
    shape, adapter = request.shape, request.adapter
    if shape is None or adapter is None:
        return None
    return lambda recipe: estimate(_workload(request, resolved, machine, shape, adapter, recipe))


def _workload(
    request: Request, resolved: Resolved, machine: Machine, shape: ShapeConfig, adapter: int, recipe: Recipe
) -> Workload:
    trainer, unsloth = recipe.trainer, resolved.engine == "unsloth"
    joined = bool(trainer.padding_free or trainer.packing)
    cut = {name: [min(n, trainer.max_length) for n in getattr(request.lengths, name)] for name in SPLITS}
    if trainer.packing:
        cut["train"] = [trainer.max_length] * trainer.per_device_batch_size
    judged = sorted(cut["validation"] + cut["test"], reverse=True)
    return Workload(
        shape=shape,
        adapter=adapter,
        targets=request.targets,
        dtype=resolved.dtype,
        in_4bit=recipe.in_4bit,
        optimizer_bits=8 if "8bit" in trainer.optimizer else 32,
        checkpointing=recipe.checkpointing,
        fused_lora=unsloth and resolved.dtype != "float32" and not request.lora.use_dora,
        chunked_by="unsloth" if unsloth else "plain",
        varlen=unsloth or (joined and not machine.gpus),
        train=lengths.widest(cut["train"], trainer.per_device_batch_size, joined),
        evaluate=lengths.widest(judged, trainer.per_device_eval_batch_size, joined),
        free=min((gpu.usable_bytes for gpu in machine.gpus[: request.devices]), default=0),
        on_gpu=bool(machine.gpus),
        devices=request.devices,
        sharded=resolved.sharding == "fsdp",
    )


def disk_of(request: Request, resolved: Resolved, trainer: TrainerConfig) -> Disk | None:
    """What a run will write; None where sizes are not known."""
    if request.shape is None or request.adapter is None:
        return None
    download = 0
    if resolved.scale == "full":
        download = to_download(request.model, request.shape, resolved.load_in_4bit, request.merge)
    bits = 8 if "8bit" in trainer.optimizer else 32
    return disk(request.shape, request.adapter, bits, trainer.save_total_limit, request.merge, download)
