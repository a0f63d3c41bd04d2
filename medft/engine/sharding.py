"""Shards a base over the training processes (PyTorch's FSDP2): each holds a share of every tensor and
gathers a block while computing it. The sharding is verified.

accelerate is not asked: without a GPU it leaves the model whole and says nothing. Packed 4-bit weights are
held as float32: as bfloat16 or float16 some are patterns of NaN, which a GPU's copies rewrite
(bitsandbytes issue 1945).
"""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard, cast

from medft.engine.base import LoadSpec
from medft.errors import EngineError
from medft.models.causal_lm import AdaptedLM, CausalLM, base_of

if TYPE_CHECKING:
    import torch
    from _typeshed import ReadableBuffer
    from bitsandbytes.nn import Linear4bit
    from torch import nn
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.tensor import DTensor

_log = logging.getLogger(__name__)
Tensors = dict[str, "torch.Tensor"]
"""Tensors by name."""

_WHOLE = (
    "engine.sharding=none where one GPU holds the base; or Unsloth's own sharding, outside of medft: "
    "UNSLOTH_FSDP2=1 and accelerate launch"
)


@dataclass(frozen=True, slots=True)
class Shares:
    """What the processes hold of a divided model between the steps."""

    processes: int
    """How many there are."""
    bytes_whole: int
    """Of all parameters, base and adapter."""
    bytes_held: tuple[int, ...]
    """Of them, what each process holds."""
    packed: int
    """4-bit weights, each of which was found to be that of the file after a gathering."""
    bytes_scales: int
    """Of the scales of 4-bit weights: no parameters, so every process holds all of them beside its share."""


def shard(model: AdaptedLM, spec: LoadSpec, device: torch.device) -> None:
    """Divide base and adapter, block by block: a GPU never holds more than its share and one block.

    Args:
        model: on the processor.
        spec: how it was loaded.
        device: where it is to be.

    Raises:
        EngineError: the model is not divided, or its 4-bit weights are not those of the file.
    """
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh

    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    # A 16-bit base was packed just now: there is no file of what it was packed to.
    packed = _stored(spec.path) or Counter(_checksum(layer.weight) for layer in _linear4bit(model))
    base = base_of(model)
    inputs, outputs = base.get_input_embeddings(), base.get_output_embeddings()
    apart = [] if inputs.weight is outputs.weight else [inputs]  # whole for a lookup alone
    for part in [*_blocks(base), *apart, cast("nn.Module", model)]:
        _divide(part, device, mesh)
    _demand_divided(model)
    for part in apart:
        cast("FSDPModule", part).set_unshard_in_backward(False)
    if other := _gathered(model) - packed:
        raise EngineError(
            f"{other.total()} of {packed.total()} 4-bit tensors are not those of the base once gathered",
            where=str(spec.path),
            remedy=_WHOLE,
        )


def shares(model: CausalLM) -> Shares | None:
    """What the processes hold of ``model``, all of which have to ask; None where each holds it whole."""
    from torch import distributed

    for part in _parts(model):
        part.reshard()  # the outermost one stays gathered after a pass without gradients
    divided = [tensor for tensor in model.parameters() if _is_divided(tensor)]
    if not divided:
        return None
    layers, held = _linear4bit(model), [0] * distributed.get_world_size()
    own, whole = (sum(each.nbytes for each in of) for of in ([t.to_local() for t in divided], divided))
    distributed.all_gather_object(held, own)
    _log.info("of %s bytes of parameters this process holds %s", f"{whole:,}", f"{own:,}")
    return Shares(
        processes=len(held),
        bytes_whole=whole,
        bytes_held=tuple(held),
        packed=len(layers),
        bytes_scales=sum(map(_state_bytes, layers)),
    )


def whole(model: CausalLM) -> Tensors:
    """The tensors of the adapter, gathered where the model is divided; then every process has to ask."""
    named = cast("nn.Module", model).named_parameters()
    return {name: _whole(p.detach()) for name, p in named if p.requires_grad}


def put(model: AdaptedLM, adapter: Path) -> None:
    """The adapter of folder ``adapter`` into a divided model, whatever number of processes saved it."""
    import torch
    from peft import get_peft_model_state_dict
    from peft.utils import load_peft_weights

    saved = load_peft_weights(str(adapter), device="cpu")
    with torch.no_grad():
        for name, tensor in get_peft_model_state_dict(model).items():
            tensor.copy_(_share_of(saved[name].to(tensor.device, tensor.dtype), tensor))


def keep_whole(optimizer: torch.optim.Optimizer) -> None:
    """Let the state of an optimizer of divided tensors be saved whole, and loaded from what is whole: a
    checkpoint is then the same whatever number of processes made it. All of them have to ask for the state.
    """
    optimizer.register_state_dict_post_hook(_gather_state)
    optimizer.register_load_state_dict_pre_hook(_divide_state)


def _gather_state(optimizer: torch.optim.Optimizer, saved: dict[str, dict[int, Tensors]]) -> None:
    """A hook: what was just read from a divided optimizer becomes whole."""
    for index, state in saved["state"].items():
        saved["state"][index] = {name: _whole(value) for name, value in state.items()}


def _divide_state(
    optimizer: torch.optim.Optimizer, saved: dict[str, dict[int, Tensors]]
) -> dict[str, object]:
    """A hook: of what is to be loaded, the share of this process."""
    tensors = [p for group in optimizer.param_groups for p in group["params"]]
    shared = {
        index: {
            name: _share_of(value, tensors[index]) if value.shape == tensors[index].shape else value
            for name, value in state.items()
        }
        for index, state in saved["state"].items()
    }
    return {**saved, "state": shared}


def _blocks(base: CausalLM) -> list[nn.Module]:
    """The layers of the decoder, which are alike and computed one after the other."""
    from torch.nn import ModuleList

    decoder = cast("nn.Module", base.get_decoder())
    return next((list(each) for each in decoder.modules() if isinstance(each, ModuleList)), [])


def _divide(part: nn.Module, device: torch.device, mesh: DeviceMesh) -> None:
    """Bring one part to the device, and leave this process its share of it."""
    import torch
    from torch import nn
    from torch.distributed.fsdp import fully_shard

    for layer in _linear4bit(part):
        if (state := getattr(layer.weight, "quant_state", None)) is not None:
            state.to(device)
            layer.quant_state, layer.quant_storage = state, torch.float32  # where bitsandbytes looks next
            words = layer.weight.data.flatten().view(torch.float32)[:, None]
            layer.weight = nn.Parameter(words, requires_grad=False)
    fully_shard(part, mesh=mesh)


def _demand_divided(model: AdaptedLM) -> None:
    named = list(cast("nn.Module", model).named_parameters())
    if kept := [name for name, parameter in named if not _is_divided(parameter)]:
        raise EngineError(
            f"engine.sharding=fsdp, but every process holds the whole of {len(kept)} of {len(named)} tensors",
            where=kept[0],
            remedy="engine.sharding=none where one GPU holds the base",
        )


def _gathered(model: AdaptedLM) -> Counter[int]:
    """Checksums of the 4-bit weights as the processes gather them, on the device that computes."""
    found: Counter[int] = Counter()
    for part in _parts(model):
        part.unshard()
        own = [layer for layer in _linear4bit(model) if not _is_divided(layer.weight)]
        found.update(_checksum(layer.weight) for layer in own)
        part.reshard()
    return found


def _stored(folder: Path) -> Counter[int]:
    """Checksums of the packed weights in the files of a base."""
    from safetensors import safe_open

    found: Counter[int] = Counter()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            names = [name for name in file.keys() if name.endswith(".weight")]  # noqa: SIM118 - no mapping
            packed = [name for name in names if file.get_slice(name).get_dtype() == "U8"]
            found.update(_checksum(file.get_tensor(name)) for name in packed)
    return found


def _checksum(tensor: torch.Tensor) -> int:
    import torch

    as_bytes = tensor.detach().to("cpu", copy=True).view(torch.uint8)  # numpy would hold its storage fast
    return zlib.crc32(cast("ReadableBuffer", as_bytes.numpy()))


def _parts(model: CausalLM) -> list[FSDPModule]:
    from torch.distributed.fsdp import FSDPModule

    return [part for part in model.modules() if isinstance(part, FSDPModule)]


def _linear4bit(part: nn.Module | CausalLM) -> list[Linear4bit]:
    from bitsandbytes.nn import Linear4bit

    return [layer for layer in part.modules() if isinstance(layer, Linear4bit)]


def _state_bytes(layer: Linear4bit) -> int:
    """Of the scales of a layer's blocks, which may have scales of their own."""
    state = layer.quant_state
    return int(state.absmax.nbytes + (state.state2.absmax.nbytes if state.nested else 0))


def _is_divided(tensor: torch.Tensor) -> TypeGuard[DTensor]:
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.full_tensor().cpu() if _is_divided(tensor) else tensor


def _share_of(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """This process's share of a tensor that all of them have whole, divided as ``like`` is."""
    from torch.distributed.tensor import distribute_tensor

    if not _is_divided(like):
        return tensor
    return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)
