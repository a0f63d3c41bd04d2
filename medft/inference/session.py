"""One base model in memory, any number of adapters on it, and everything one can ask them."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from medft.data.record import Message
from medft.engine.device import in_memory, out_of_memory
from medft.errors import EngineError, PromptError
from medft.inference.generation import BATCH_TOKENS, Reply, Sampling, generate, settings
from medft.inference.likelihood import Likelihood, likelihoods
from medft.models.causal_lm import AdaptedLM, CausalLM
from medft.models.folder import check_adapter
from medft.prompt.encode import Encoder
from medft.prompt.encoded import Encoded
from medft.prompt.tokenizer import Tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import TextIteratorStreamer

_LACKING = "Found missing adapter keys"
_SHOWN = 200  # characters of the message of a library
BASE = "base"
"""The name of the model without an adapter."""

Conversation = Sequence[Message]


class Session:
    """A loaded base model and its adapters. Safe to use from several threads: one answer at a time.

    Args:
        model: a causal LM, or a PeftModel whose adapters are not yet named here.
        tokenizer: its tokenizer, with a chat template and a pad token that is no stop token.
        stop_ids: ids that end an assistant turn.
        max_length: longest prompt and reply together, in tokens.
        adapter: what to call the adapter that ``model`` already carries; None when it has none.
        batch_tokens: most tokens that are computed at once where many are asked for.
    """

    def __init__(
        self,
        model: CausalLM,
        tokenizer: Tokenizer,
        stop_ids: Sequence[int],
        max_length: int,
        adapter: str | None = None,
        batch_tokens: int = BATCH_TOKENS,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.stop_ids = tuple(stop_ids)
        self.encoder = Encoder(tokenizer, max_length, stop_ids)
        self.batch_tokens = batch_tokens
        self._peft_names = {adapter: cast(AdaptedLM, model).active_adapter} if adapter else {}
        self._lock = threading.RLock()

    @property
    def _adapted(self) -> AdaptedLM:
        """The model, once it carries an adapter."""
        return cast(AdaptedLM, self.model)

    @property
    def names(self) -> tuple[str, ...]:
        """The base and the adapters, by the names they are asked under."""
        return (BASE, *self._peft_names)

    def add(self, name: str, folder: Path) -> None:
        """Put the adapter of ``folder`` on the base, to be asked as ``name``; the base is not loaded again.

        Raises:
            EngineError: the adapter does not belong on this base, is damaged, or a pickle.
        """
        from peft import PeftModel

        check_adapter(folder)
        _check_finite(folder)
        peft_name = f"adapter{len(self._peft_names)}"
        with self._lock, warnings.catch_warnings():
            try:
                warnings.filterwarnings("error", message=_LACKING)
                if self._peft_names:
                    self._adapted.load_adapter(str(folder), adapter_name=peft_name, is_trainable=False)
                else:
                    self.model = PeftModel.from_pretrained(self.model, str(folder), adapter_name=peft_name)
                self.model.eval()
            except Exception as error:  # torch, peft and safetensors each raise their own kinds
                lacking, said = isinstance(error, UserWarning), str(error).strip().partition("\n")[0]
                raise out_of_memory(error, "while loading an adapter", "load fewer models") or EngineError(
                    "the adapter lacks weights that its configuration names"
                    if lacking
                    else f"the adapter does not fit this base ({type(error).__name__}: {said[:_SHOWN]})",
                    where=str(folder),
                    remedy="an adapter works only on the base it was trained on",
                ) from error
            self._peft_names[name] = peft_name

    @contextlib.contextmanager
    def using(self, name: str) -> Iterator[CausalLM]:
        """The model called ``name``, for as long as the block lasts; others wait.

        Raises:
            EngineError: no such name.
        """
        if name != BASE and name not in self._peft_names:
            raise EngineError(
                f"there is no model called '{name}'", where=f"there are: {', '.join(self.names)}"
            )
        with self._lock:
            if name == BASE:
                with self._adapted.disable_adapter() if self._peft_names else contextlib.nullcontext():
                    yield self.model
            else:
                self._adapted.set_adapter(self._peft_names[name])
                yield self.model

    def prompt(self, messages: Conversation, room: int) -> list[int]:
        """Ids to generate a reply of at most ``room`` tokens from.

        Raises:
            PromptError: they are too many for the model's context.
        """
        ids = self.encoder.reply_prompt(messages)
        if len(ids) + room > self.encoder.max_length:
            raise PromptError(
                f"the prompt has {len(ids):,} tokens; with {room:,} for the answer that is more than the "
                f"{self.encoder.max_length:,} the model takes",
                remedy="shorten the prompt, or lower max_new_tokens",
            )
        return ids

    def replies(
        self,
        name: str,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        on_batch: Callable[[dict[int, Reply]], None] = lambda done: None,
    ) -> list[Reply]:
        """What the model called ``name`` says to each prompt, in batches.

        Raises:
            EngineError: no such name, or a batch does not fit the GPU.
        """
        with self.using(name) as model, self._batched():
            return generate(
                model, self.tokenizer, prompts, self.stop_ids, sampling, on_batch, self.batch_tokens
            )

    def likelihoods(
        self,
        name: str,
        rows: Sequence[Encoded],
        on_batch: Callable[[dict[int, Likelihood]], None] = lambda done: None,
    ) -> list[Likelihood]:
        """How probable the model called ``name`` finds the answers of ``rows``, in batches.

        Raises:
            EngineError: as ``replies``.
        """
        with self.using(name) as model, self._batched():
            return likelihoods(model, self.tokenizer.pad_token_id, rows, on_batch, self.batch_tokens)

    def _batched(self) -> contextlib.AbstractContextManager[None]:
        now = f"batch_tokens ({self.batch_tokens:,} now)"
        return in_memory("while answering", f"lower {now}; where one prompt alone is too long, lower context")

    def stream(
        self,
        name: str,
        messages: Conversation,
        sampling: Sampling,
        cancel: threading.Event | None = None,
        on_cut: Callable[[], None] = lambda: None,
    ) -> Iterator[str]:
        """The reply of the model called ``name``, piece by piece as it is written.

        Setting ``cancel``, or leaving the iterator, ends the generation at its next token. ``on_cut`` is
        called at the end of a reply that reached ``max_new_tokens`` without a stop token.

        Raises:
            PromptError: the conversation is too long.
            EngineError: the generation failed, memory included.
        """
        from transformers import TextIteratorStreamer

        left = threading.Event()
        wanted = [left] if cancel is None else [left, cancel]
        prompt = self.prompt(messages, sampling.max_new_tokens)
        streamer = TextIteratorStreamer(self.tokenizer, skip_prompt=True, skip_special_tokens=True)
        outcome: list[list[int] | BaseException] = []
        writer = threading.Thread(
            target=self._write, args=(name, prompt, sampling, streamer, wanted, outcome), daemon=True
        )
        writer.start()
        try:
            yield from streamer
        finally:
            left.set()
            writer.join()
        if isinstance(outcome[0], BaseException):
            advice = "lower max_new_tokens or context, begin a new conversation, or load fewer models"
            raise out_of_memory(outcome[0], "while answering", advice) or EngineError(
                f"the model could not answer ({type(outcome[0]).__name__})"
            ) from outcome[0]
        if len(outcome[0]) == sampling.max_new_tokens and outcome[0][-1] not in self.stop_ids:
            on_cut()

    def _write(
        self,
        name: str,
        prompt: list[int],
        sampling: Sampling,
        streamer: TextIteratorStreamer,
        cancels: list[threading.Event],
        outcome: list[list[int] | BaseException],
    ) -> None:
        """Generate into ``streamer``, and put the ids, or what went wrong, into ``outcome``. Runs in a thread
        of its own, which holds the lock: the one that reads may be a different thread for every piece."""
        import torch

        try:
            with self.using(name) as model, torch.inference_mode():
                torch.manual_seed(sampling.seed)
                ids = torch.tensor([prompt], device=model.device)
                output = model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    generation_config=settings(self.tokenizer, self.stop_ids, sampling),
                    streamer=streamer,
                    stopping_criteria=[
                        lambda *_, **__: _filled(any(c.is_set() for c in cancels), model.device)
                    ],
                )
            outcome.append(output[0, len(prompt) :].tolist())
        except BaseException as error:
            outcome.append(error)
        finally:
            streamer.end()


def _filled(value: bool, device: torch.device) -> torch.Tensor:
    import torch

    return torch.full((1,), value, device=device, dtype=torch.bool)


def _check_finite(folder: Path) -> None:
    """Refuse an adapter whose training came to nothing: it would answer with noise."""
    from safetensors.torch import load_file

    for file in folder.glob("*.safetensors"):
        if not all(bool(tensor.isfinite().all()) for tensor in load_file(file).values()):
            raise EngineError(
                "the adapter holds values that are no numbers", where=str(file), remedy="train it again"
            )
