"""A session as lm-evaluation-harness sees a model: every answer is written to disk as soon as it is given.

Import it only where the harness is wanted: it is an extra, and heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, TypeVar

from lm_eval.models.huggingface import HFLM

from medft.aliases import NamedProgress
from medft.evaluation.answers import AnswerFile, digest
from medft.evaluation.asking import System
from medft.models.causal_lm import CausalLM

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

HARNESS = f"lm-evaluation-harness {metadata.version('lm_eval')}"
"""Its name and version; another version's answers are never reused."""


Answer = TypeVar("Answer")
HarnessRequest = tuple[object, ...]
"""A prompt, and what its answer depends on."""


class RememberingModel(HFLM):  # type: ignore[misc]
    """The harness' own model class around a loaded model; what is in ``file`` is not asked again.

    Args:
        model: the loaded model that ``system`` names.
        system: who answers.
        batch_size: requests per batch.
        file: where answers are kept.
        progress: called after every answer.
    """

    def __init__(
        self, model: CausalLM, system: System, batch_size: int, file: AnswerFile, progress: NamedProgress
    ) -> None:
        session = system.session
        longest = session.encoder.max_length
        super().__init__(
            pretrained=model,
            tokenizer=session.tokenizer,
            backend="causal",
            batch_size=batch_size,
            max_length=longest,
        )
        self.set_cache_hook(self)  # it calls add_partial with every answer
        self._system, self._file, self._progress = system, file, progress
        self._cut: set[HarnessRequest] = set()
        self._done = self._total = 0

    def key(self, kind: str, request: HarnessRequest) -> str:
        """The key of the line that holds the answer to ``request``."""
        return digest(HARNESS, self._system.fingerprint, self.max_length, kind, *request)

    def add_partial(self, kind: str, request: HarnessRequest, answer: object) -> None:
        """Write one answer down."""
        cut = kind == "loglikelihood" and request in self._cut
        row = {"system": self._system.name, "kind": kind, "answer": answer, "cut": cut}
        self._file.add({self.key(kind, request): row})
        self._done += 1
        self._progress(f"{self._system.name} {kind}", self._done, self._total)

    def loglikelihood(
        self, requests: Sequence[Instance], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """See the harness; a tuple of log-probability and whether greedy decoding would say so, per
        request."""
        found = self._recall("loglikelihood", requests, super().loglikelihood)
        return [(nats, greedy) for nats, greedy in found]

    def loglikelihood_rolling(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[object]:
        """See the harness."""
        return self._recall("loglikelihood_rolling", requests, super().loglikelihood_rolling)

    def generate_until(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[object]:
        """See the harness. Sampled answers are drawn anew: the same request may stand there several times."""
        if any(request.args[1].get("do_sample") for request in requests):
            return list(super().generate_until(requests))
        return self._recall("generate_until", requests, super().generate_until)

    def _loglikelihood_tokens(
        self, requests: Sequence[Instance], *args: object, **kwargs: object
    ) -> list[object]:
        """See the harness, which cuts the beginning of what is longer than the model takes."""
        room = self.max_length + 1  # the last token is predicted and never read
        self._cut |= {pair for pair, context, answer in requests if len(context) + len(answer) > room}
        answers: list[object] = super()._loglikelihood_tokens(requests, *args, **kwargs)
        return answers

    def _recall(
        self, kind: str, requests: Sequence[Instance], ask: Callable[[Sequence[Instance]], Sequence[Answer]]
    ) -> list[Answer]:
        kept = [self._file.get(self.key(kind, request.args)) for request in requests]
        todo = [request for request, row in zip(requests, kept, strict=True) if row is None]
        self._done, self._total = 0, len(todo)
        fresh = iter(ask(todo) if todo else ())
        return [next(fresh) if row is None else row["answer"] for row in kept]
