"""A LoRA adapter on disk: what it changes in the base, tensor by tensor.

Reads peft's ``adapter_config.json`` and ``adapter_model.safetensors``, computes LoRA, rsLoRA and DoRA in
float32, and refuses what that arithmetic does not cover. Does not import peft, which takes ten seconds: it is
the reference of the tests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft.errors import MergeError
from medft.merge.checkpoint import Checkpoint, read_object
from medft.models.folder import adapter_problem

if TYPE_CHECKING:
    import torch

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
IN_MEMORY, STORED = "model.language_model.", "language_model.model."
"""How transformers calls the language model beside a vision tower, and how its checkpoints do."""

# Settings of peft's LoraConfig that decide nothing about merged weights.
_HARMLESS = {
    *("auto_mapping", "base_model_name_or_path", "inference_mode", "peft_type", "peft_version", "revision"),
    *("task_type", "bias", "modules_to_save", "target_modules", "exclude_modules", "ensure_weight_tying"),
    *("layers_pattern", "layers_to_transform", "lora_dropout", "init_lora_weights", "runtime_config"),
    *("corda_config", "eva_config", "loftq_config", "lora_ga_config", "megatron_core", "qalora_group_size"),
}
_USED = {"alpha_pattern", "lora_alpha", "r", "rank_pattern", "use_dora", "use_rslora"}
# Ways to start an adapter that leave the base as it is; pissa, olora, corda, loftq and the like rewrite it.
_KEEPS_BASE = (True, False, "gaussian", "eva", "orthogonal")


@dataclass(frozen=True, slots=True)
class LowRank:
    """A low-rank change of one weight (LoRA, arXiv 2106.09685; rsLoRA, 2312.03732; DoRA, 2402.09353)."""

    a: torch.Tensor
    """float32 [rank, in]"""
    b: torch.Tensor
    """float32 [out, rank]"""
    scaling: float
    """alpha / rank, or alpha / sqrt(rank) with rsLoRA"""
    magnitude: torch.Tensor | None = None
    """float32 [out], DoRA's length of each row of the merged weight; None for LoRA"""
    embedding: bool = False
    """An embedding stores its rows where a linear layer has its columns."""
    own_base: torch.Tensor | None = None
    """The adapter's copy of the weight it was trained on; peft saves it for embeddings and output layers."""

    def delta(self, rows: slice) -> torch.Tensor:
        """scaling * B A, float32, for some rows of the weight."""
        product = (self.b @ self.a[:, rows]).T if self.embedding else self.b[rows] @ self.a
        return product if self.scaling == 1 else product.mul_(self.scaling)

    def apply(self, weight: torch.Tensor, rows: slice) -> torch.Tensor:
        """The changed ``rows`` in float32, from ``weight``, which holds just these.

        The operations and their order are peft's, so that not one bit differs.
        """
        import torch

        changed = self.delta(rows).add_(weight if self.own_base is None else self.own_base[rows])
        if self.magnitude is None:
            return changed
        lengths = torch.linalg.norm(changed, dim=1)
        return changed.mul_((self.magnitude[rows] / lengths).view(-1, 1))


@dataclass(frozen=True, slots=True)
class Replacement:
    """A trained tensor that takes the place of the base's (``modules_to_save``, trained biases)."""

    tensor: torch.Tensor
    """The new values."""

    def apply(self, weight: torch.Tensor, rows: slice) -> torch.Tensor:
        """The new values of ``rows`` in float32, in memory of their own."""
        return self.tensor[rows].float().clone()


Change = LowRank | Replacement


@dataclass(frozen=True, slots=True)
class _Parts:
    """Under which names the tensors of one adapted module are stored, and how they are scaled."""

    a: str
    b: str
    scaling: float
    embedding: bool
    magnitude: str | None
    own_base: str | None


class Adapter(Mapping[str, Change]):
    """What an adapter changes: name of the base's tensor -> change, read from the disk when it is asked for.

    Args:
        folder: as peft saves it.
        base: names of the base's tensors.

    Raises:
        MergeError: no adapter there, a pickle, not LoRA, a variant that changes more than the weights, or
            tensors that contradict the configuration.
    """

    def __init__(self, folder: Path, base: Collection[str]) -> None:
        self.folder = folder
        self._stored = Checkpoint(folder, WEIGHTS)
        self.config = read_object(folder / CONFIG)
        _refuse_unknown(self.config, folder / CONFIG)
        if problem := adapter_problem(self.config):
            raise MergeError(problem, where=str(folder / CONFIG), remedy="copy the adapter again")
        names = {name.removeprefix(PREFIX): name for name in self._stored.entries}
        if any(name.startswith(STORED) for name in base):
            names = {re.sub(rf"^{re.escape(IN_MEMORY)}", STORED, name): at for name, at in names.items()}
        modules = sorted({module for module in map(_module, names) if module})
        self._modules = {f"{module}.weight": self._parts(module, names) for module in modules}
        self._replaced = names  # what no module took
        if not self:
            raise MergeError("the adapter contains no tensor", where=str(folder / WEIGHTS))

    def __getitem__(self, name: str) -> Change:
        if name in self._replaced:
            return Replacement(self._stored.read(self._replaced[name]))
        parts, read = self._modules[name], self._stored.read
        return LowRank(
            a=read(parts.a).float(),
            b=read(parts.b).float(),
            scaling=parts.scaling,
            magnitude=read(parts.magnitude).float() if parts.magnitude else None,
            embedding=parts.embedding,
            own_base=read(parts.own_base) if parts.own_base else None,
        )

    def __iter__(self) -> Iterator[str]:
        yield from self._modules
        yield from self._replaced

    def __len__(self) -> int:
        return len(self._modules) + len(self._replaced)

    def _parts(self, module: str, names: dict[str, str]) -> _Parts:
        """Take the tensors of one module out of ``names``."""
        embedding = f"{module}.lora_embedding_A" in names
        pair = ("lora_embedding_A", "lora_embedding_B") if embedding else ("lora_A.weight", "lora_B.weight")
        try:
            a, b = (names.pop(f"{module}.{name}") for name in pair)
        except KeyError as error:
            raise MergeError(
                f"the adapter is incomplete: {error} is missing", where=str(self.folder)
            ) from None
        magnitude = names.pop(f"{module}.lora_magnitude_vector", None)
        own_base = names.pop(f"{module}.base_layer.weight", None)
        config, entries = self.config, self._stored.entries
        rank = _by_pattern(module, config.get("rank_pattern"), config["r"])
        alpha = _by_pattern(module, config.get("alpha_pattern"), config["lora_alpha"])
        ranks_agree = entries[a].shape[0] == entries[b].shape[1] == rank
        if not ranks_agree or (magnitude is not None) != bool(config.get("use_dora")):
            raise MergeError(f"the tensors of {module} do not match {CONFIG}", where=str(self.folder))
        if embedding and magnitude is not None:
            raise MergeError("medft cannot merge DoRA on an embedding", where=f"{self.folder}: {module}")
        scaling = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
        return _Parts(a, b, scaling, embedding, magnitude, own_base)


def _refuse_unknown(config: dict[str, Any], where: Path) -> None:
    if config.get("peft_type") != "LORA":
        raise MergeError(f"cannot merge an adapter of type {config.get('peft_type')}", where=str(where))
    start = config.get("init_lora_weights", True)
    if start not in _KEEPS_BASE:
        raise MergeError(
            f"the adapter was started with init_lora_weights={start}, which rewrites the base weights",
            where=str(where),
            remedy="save it with peft's path_initial_model_for_weight_conversion and merge that",
        )
    unknown = sorted(key for key, value in config.items() if value and key not in _HARMLESS | _USED)
    if unknown:
        raise MergeError(
            f"medft cannot merge adapters with these settings: {', '.join(unknown)}",
            where=str(where),
            remedy="merge with peft's merge_and_unload, or train without them",
        )


def _module(name: str) -> str:
    found = re.fullmatch(r"(.+)\.lora_(?:embedding_)?A(?:\.weight)?", name)
    return found[1] if found else ""


def _by_pattern(module: str, patterns: dict[str, int] | None, default: int) -> int:
    """peft's rule: the first pattern that matches the whole name or its end after a dot."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return default
