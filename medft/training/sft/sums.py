"""Exact sums behind the loss: nats, tokens, answer bytes, padding.

Bits per byte = nats of the answer tokens, stop tokens left out, / ln 2 / UTF-8 bytes of the same answers. It
compares models across tokenizers, which the loss per token cannot (Gao et al. 2020, The Pile, section 3.1).
Engines return one mean over all trained tokens, stop tokens included; the nats of the stop tokens alone, one
or two per row, are computed here from the decoder's last hidden states and subtracted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from medft.models.causal_lm import CausalLM, DecoderOutput, base_of
from medft.prompt.encoded import IGNORE

_CHUNK = 256  # rows of logits held at once
_TOLERANCE = 0.02  # bfloat16 logits against an engine's fused loss


@dataclass(slots=True)
class Sums:
    """Running sums; tensors stay on their device until ``read``, so that adding never waits for a GPU."""

    names = ("nats", "tokens", "answer_nats", "answer_bytes", "real", "processed")
    sums: dict[str, torch.Tensor | float] = field(default_factory=dict)

    def add(self, **values: torch.Tensor | float) -> None:
        """Add to the sums by name; the names are the fields of ``Reading``."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value

    def read(self, reduce: Callable[[torch.Tensor], torch.Tensor] | None = None) -> Reading:
        """The sums as numbers, added over devices by ``reduce`` (tensor -> tensor); starts again at 0."""
        stacked = torch.stack(
            [torch.as_tensor(self.sums.get(name, 0.0), dtype=torch.float64).cpu() for name in self.names]
        )
        self.sums = {}
        values = (reduce(stacked) if reduce else stacked).tolist()
        return Reading(*values)


@dataclass(frozen=True, slots=True)
class Reading:
    """Sums over some batches."""

    nats: float
    """Cross-entropy summed over trained tokens."""
    tokens: float
    """Trained tokens."""
    answer_nats: float
    """Cross-entropy summed over answer tokens without stop tokens; NaN when it could not be told apart."""
    answer_bytes: float
    """UTF-8 bytes of those answers."""
    real: float
    """Tokens that are not padding."""
    processed: float
    """Tokens the model was given, padding included."""

    @property
    def loss(self) -> float:
        """Mean cross-entropy per trained token, in nats."""
        return self.nats / self.tokens if self.tokens else math.nan

    @property
    def bits_per_byte(self) -> float | None:
        """Bits per byte of the answers, or None where it is not known."""
        if not self.answer_bytes or math.isnan(self.answer_nats):
            return None
        return self.answer_nats / math.log(2) / self.answer_bytes


class StopTokenLoss:
    """The cross-entropy of stop tokens, from the decoder's last hidden states.

    Args:
        model: a causal LM, plain or wrapped by PEFT.

    The first batch is checked: all its trained tokens computed this way must give the engine's own loss.
    Where they do not (a model that scales or caps its logits), ``works`` turns False and bits per byte is
    left out.
    """

    def __init__(self, model: CausalLM) -> None:
        base = base_of(model)
        self._head = base.get_output_embeddings()
        self._hidden = torch.empty(0)
        self._checked = False
        self.works = True
        base.get_decoder().register_forward_hook(self._keep)

    def _keep(self, module: torch.nn.Module, args: tuple[object, ...], output: DecoderOutput) -> None:
        self._hidden = output[0].detach()

    def nats(
        self, labels: torch.Tensor, answer_bytes: torch.Tensor, total: torch.Tensor
    ) -> torch.Tensor | float:
        """Nats of the stop tokens of this batch; NaN where ``works`` is False.

        Args:
            labels: (rows, length), -100 where there is no loss.
            answer_bytes: (rows, length), negative on stop tokens.
            total: nats of all trained tokens of the batch, as the engine computed them.
        """
        trained = labels[:, 1:] != IGNORE
        if not self._checked:
            self._checked = True
            again = self._each(labels, trained).sum()
            self.works = bool(torch.isclose(again.double(), total.double(), rtol=_TOLERANCE))
        if not self.works:
            return math.nan
        return self._each(labels, trained & (answer_bytes[:, 1:] < 0)).sum()

    def by_row(
        self, labels: torch.Tensor, answer_bytes: torch.Tensor, row: torch.Tensor
    ) -> list[tuple[int, float, float]]:
        """Of each row that has an answer: its place in the batch, nats of the answer tokens, stop tokens left
        out, and bytes.

        Args:
            labels: as above.
            answer_bytes: as above.
            row: (rows, length), the place of every token's row in the batch, -1 for padding.
        """
        answered = (labels[:, 1:] != IGNORE) & (answer_bytes[:, 1:] >= 0)
        count, of = int(row.max()) + 1, row[:, 1:][answered]
        nats, sizes = (torch.zeros(count, dtype=torch.float64, device=row.device) for _ in range(2))
        nats.index_add_(0, of, self._each(labels, answered))
        sizes.index_add_(0, of, answer_bytes[:, 1:][answered].double())
        found = zip(range(count), nats.tolist(), sizes.tolist(), strict=True)
        return [each for each in found if each[2]]

    @torch.no_grad()
    def _each(self, labels: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        """Nats of each of the tokens ``where``."""
        hidden, targets = self._hidden[:, :-1][where], labels[:, 1:][where]
        nats = torch.zeros(len(targets), dtype=torch.float64, device=targets.device)
        for start in range(0, len(targets), _CHUNK):
            piece = slice(start, start + _CHUNK)
            logits = self._head(hidden[piece].to(self._head.weight.dtype)).float()
            nats[piece] = torch.nn.functional.cross_entropy(logits, targets[piece], reduction="none").double()
        return nats
