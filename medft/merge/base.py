"""The base model as the merge sees it: named 16-bit or 32-bit weights, whatever the checkpoint stores.

Dequantizes bitsandbytes 4-bit checkpoints tensor by tensor, and tells weights from what else is stored.
"""

from __future__ import annotations

import re
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal

from medft.errors import MergeError
from medft.merge.checkpoint import Checkpoint, Spec, read_object

if TYPE_CHECKING:
    import torch
    from bitsandbytes.functional import QuantState

BaseKind = Literal["16-bit", "dequantised-nf4"]
EMBEDDING, OUTPUT = "model.embed_tokens.weight", "lm_head.weight"
FLOATS = ("float32", "bfloat16", "float16")
# Parts of a bitsandbytes 4-bit weight, beside the packed weight itself (QuantState.as_dict(packed=True)).
_PARTS = re.compile(
    r"(?P<weight>.+\.weight)\."
    r"(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__(?P<kind>nf4|fp4))"
)


class BaseWeights:
    """The weights of a base model, read one at a time.

    Args:
        folder: safetensors with a ``config.json``; 16-bit, 32-bit, or quantised to 4 bits by bitsandbytes.

    Raises:
        MergeError: no such model there, pickles, damage, or another quantisation.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = read_object(folder / "config.json")
        self.stored = Checkpoint(folder)
        self.left_out: list[str] = []
        """Stored tensors that are no weights of the model."""
        self._parts = self._quantized()
        self.kind: BaseKind = "dequantised-nf4" if self._parts else "16-bit"
        parts = {part for found in self._parts.values() for part in found}
        self._unpacking = Lock()
        self._unpacked: dict[str, torch.Tensor] = {}  # the last one only, since it is read in pieces
        self.specs: dict[str, Spec] = {}
        """name -> type and shape of each weight, in the order of the files."""
        for name in self.stored.entries:
            if name not in parts and self._is_weight(name):
                self.specs[name] = self._spec(name)
            elif name not in parts:
                self.left_out.append(name)

    @property
    def tied(self) -> bool:
        """Whether the output layer is the embedding itself."""
        return OUTPUT not in self.specs

    @property
    def dtype(self) -> str:
        """The type that most of the weights have, counted in elements."""
        counts: dict[str, int] = {}
        for spec in self.specs.values():
            counts[spec.dtype] = counts.get(spec.dtype, 0) + spec.nbytes
        return max(counts, key=lambda dtype: counts[dtype])

    def read(self, name: str, rows: slice = slice(None)) -> torch.Tensor:
        """The weight called ``name``, or some ``rows`` of it, as it is stored; a 4-bit one dequantised to
        the type it was quantised from."""
        if name not in self._parts:
            return self.stored.read(name, rows)
        with self._unpacking:
            if name not in self._unpacked:
                self._unpacked = {name: self._dequantized(name)}
            return self._unpacked[name][rows]

    def _dequantized(self, name: str) -> torch.Tensor:
        from bitsandbytes.functional import dequantize_4bit

        dequantized: torch.Tensor = dequantize_4bit(self.stored.read(name), self._state(name))
        return dequantized

    def _quantized(self) -> dict[str, list[str]]:
        method = (self.config.get("quantization_config") or {}).get("quant_method")
        names = self.stored.entries
        if method not in (None, "bitsandbytes") or any(name.endswith(".SCB") for name in names):
            raise MergeError(
                f"unsupported quantisation ({method})",
                where=str(self.folder),
                remedy="use the 16-bit base, or one quantized to 4 bits by bitsandbytes",
            )
        parts: dict[str, list[str]] = {}
        for name in names:
            found = _PARTS.fullmatch(name)
            if found:
                parts.setdefault(found["weight"], []).append(name)
        return parts

    def _state(self, name: str) -> QuantState:
        import torch
        from bitsandbytes.functional import QuantState

        parts = {part: self.stored.read(part) for part in self._parts[name]}
        return QuantState.from_dict(parts, device=torch.device("cpu"))

    def _spec(self, name: str) -> Spec:
        if name not in self._parts:
            return self.stored.entries[name]
        state = self._state(name)
        return Spec(name, str(state.dtype).removeprefix("torch."), tuple(state.shape))

    def _is_weight(self, name: str) -> bool:
        """Old checkpoints carry rotary tables, which transformers computes anew, and some tied ones carry the
        embedding a second time, as output layer."""
        if name != OUTPUT:
            return not name.endswith("rotary_emb.inv_freq")
        return not (self.config.get("tie_word_embeddings") and self._same(EMBEDDING, OUTPUT))

    def _same(self, left: str, right: str) -> bool:
        import torch

        stored = self.stored
        return left in stored.entries and torch.equal(stored.read(left), stored.read(right))
