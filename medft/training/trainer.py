"""TRL's SFTTrainer, with the sums that exact figures need.

Owns the collator that carries answer bytes beside the labels and the trainer that adds them up. Import it
only after ``engine.activate()``: Unsloth replaces TRL's trainer when it is imported. It knows no engine by
name.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import Sampler
from trl import SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling
from trl.trainer.utils import pad

from medft.prompt.encode import IGNORE
from medft.training.phases import phase
from medft.training.tally import Reading, StopTokenLoss, Tally


class AnswerCollator(DataCollatorForLanguageModeling):  # type: ignore[misc]
    """TRL's collator, padded or padding-free, that also carries the column ``answer_bytes``, and ``row``: the
    place of every token's row in the batch, -1 for padding."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Batch ``examples``; both columns are padded with -1."""
        batch: dict[str, Any] = super().torch_call(examples)
        sizes = [torch.tensor(example["answer_bytes"]) for example in examples]
        rows = [torch.full_like(size, place) for place, size in enumerate(sizes)]
        for name, column in (("answer_bytes", sizes), ("row", rows)):
            joined = [torch.cat(column)] if self.padding_free else column
            batch[name] = pad(
                joined, padding_value=-1, padding_side="right", pad_to_multiple_of=self.pad_to_multiple_of
            )
        return batch


class Trainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer whose losses are token-weighted over any window of steps, with bits per byte beside them,
    and that counts no row twice.

    ``Trainer.evaluate`` of transformers averages batch means, which weighs a short batch like a long one;
    here ``eval_loss`` is the sum over tokens divided by their number, with ``eval_bits_per_byte`` beside it.

    Args:
        order: of the training rows; None draws them at random.

    ``clock`` holds the seconds that validation (and test) and the saving of checkpoints took.
    """

    def __init__(self, *args: Any, order: Sampler[int] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._order = order
        self.clock = {"validation": 0.0, "saving": 0.0}
        self.train_tally, self.eval_tally = Tally(), Tally()
        self.stop_loss = StopTokenLoss(self.model)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self._order or super()._get_train_sampler(train_dataset)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, *device: Any) -> Any:
        """The batches of a step and the number of their trained tokens, as in Trainer; a row that is only
        there to fill up the last batch of an epoch carries no loss and is not counted."""
        batches = list(itertools.islice(epoch_iterator, num_batches))
        if batches:
            batches[-1] = self._without_repeats(batches[-1])
        return super().get_batch_samples(iter(batches), num_batches, *device)

    def prediction_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As in Trainer, without repeated rows."""
        return super().prediction_step(model, self._without_repeats(inputs), *args, **kwargs)

    def _without_repeats(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Take the loss from rows that only fill up the last batch of several devices.

        accelerate deals every device a whole batch and begins again with the first rows where they run out;
        ``remainder`` rows of all devices' last batches, in their order, are real.
        """
        state, devices = self.accelerator.gradient_state, self.accelerator.num_processes
        if devices == 1 or not state.end_of_dataloader or state.remainder <= 0:
            return batch
        rows = int(batch["row"].max()) + 1
        repeated = batch["row"] >= state.remainder - self.accelerator.process_index * rows
        return batch | {
            "labels": batch["labels"].masked_fill(repeated, IGNORE),
            "answer_bytes": batch["answer_bytes"].masked_fill(repeated, 0),
            "row": batch["row"].masked_fill(repeated, -1),
        }

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """As in SFTTrainer; adds the batch to the tally of training or of validation."""
        inputs = dict(inputs)
        answer_bytes, row, labels = inputs.pop("answer_bytes"), inputs.pop("row"), inputs["labels"]
        loss, outputs = super().compute_loss(
            model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch
        )
        with torch.no_grad():
            tokens = (labels[:, 1:] != IGNORE).sum()
            # In training the mean is over the trained tokens of the whole step, on all devices.
            share = (
                tokens if num_items_in_batch is None else num_items_in_batch / self.accelerator.num_processes
            )
            nats = torch.where(tokens > 0, loss.detach().double() * share, 0.0)
            tally = self.train_tally if model.training else self.eval_tally
            tally.add(
                nats=nats,
                tokens=tokens,
                answer_nats=nats - self.stop_loss.nats(labels, answer_bytes, nats),
                answer_bytes=answer_bytes.clamp(min=0).sum(),
                real=(row >= 0).sum(),
                processed=labels.numel(),
            )
        return (loss, outputs) if return_outputs else loss

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """As in Trainer; an error says that it was met in training."""
        with phase("training"):
            return super().training_step(*args, **kwargs)

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> Any:
        """As in Trainer, with the loss weighted by tokens and bits per byte among the metrics."""
        self.read(self.eval_tally)
        with phase("validation"), self._timed("validation"):
            output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
            reading = self.read(self.eval_tally)
        output.metrics[f"{metric_key_prefix}_loss"] = reading.loss
        output.metrics[f"{metric_key_prefix}_bits_per_byte"] = reading.bits_per_byte
        return output

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        with self._timed("saving"):
            super()._save_checkpoint(*args, **kwargs)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        """Add the block's wall time to ``clock``."""
        began = time.perf_counter()
        yield
        self.clock[what] += time.perf_counter() - began

    def read(self, tally: Tally) -> Reading:
        """The sums since the last reading, over all devices."""
        return tally.read(lambda sums: self.accelerator.reduce(sums.to(self.args.device), reduction="sum"))
