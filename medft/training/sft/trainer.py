"""TRL's SFTTrainer, with the sums that exact figures need.

Import it only after the engine's ``activate``: Unsloth replaces TRL's trainer when it is imported.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import TrainerState
from transformers.trainer_utils import EvalLoopOutput
from trl import SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling
from trl.trainer.utils import pad

from medft.engine.trainer import Answer, Batch, EncodedRow, Judged, Rows
from medft.errors import EngineError
from medft.models.causal_lm import CausalLM, Output
from medft.prompt.encoded import IGNORE
from medft.training.phases import phase
from medft.training.sft.sums import Reading, StopTokenLoss, Sums

StepBatches = tuple[list[Batch], torch.Tensor | int | None]
"""The batches of an optimizer step, and the number of their trained tokens."""


Figures = dict[str, float]
"""Metrics by name."""
Found = tuple[int, float, float]
"""The place of a record in its split, the nats of its answer, and the answer's bytes."""


class AnswerCollator(DataCollatorForLanguageModeling):  # type: ignore[misc]
    """TRL's collator, padded or padding-free, that also carries the column ``answer_bytes``, and ``row``: the
    place of every token's row in the batch, -1 for padding; and for each row ``record``, the place of its
    record in its split, -1 for rows packed of several."""

    def torch_call(self, examples: Sequence[EncodedRow]) -> Batch:
        """Batch ``examples``; ``answer_bytes`` and ``row`` are padded with -1."""
        batch: Batch = super().torch_call(examples)
        sizes = [torch.tensor(example["answer_bytes"]) for example in examples]
        rows = [torch.full_like(size, place) for place, size in enumerate(sizes)]
        for name, column in (("answer_bytes", sizes), ("row", rows)):
            joined = [torch.cat(column)] if self.padding_free else column
            batch[name] = pad(
                joined, padding_value=-1, padding_side="right", pad_to_multiple_of=self.pad_to_multiple_of
            )
        batch["record"] = torch.tensor([example.get("record", -1) for example in examples])
        return batch


class AnswerTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer whose losses are token-weighted over any window of steps, with bits per byte beside them,
    and that counts no row twice.

    ``Trainer.evaluate`` of transformers averages batch means, which weighs a short batch like a long one;
    here ``eval_loss`` is the sum over tokens divided by their number, with ``eval_bits_per_byte`` beside it.

    Args:
        order: of the training rows; None draws them at random.

    ``clock`` holds the seconds that validation (and test) and the saving of checkpoints took.
    """

    def __init__(self, *, order: Sampler[int] | None = None, **settings: object) -> None:
        super().__init__(**settings)
        self._order = order
        self.clock = {"validation": 0.0, "saving": 0.0}
        self._answers: list[Found] | None = None
        self.forget()
        self.stop_loss = StopTokenLoss(self.model)

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        return self._order or super()._get_train_sampler(train_dataset)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, *device: torch.device
    ) -> StepBatches:
        """The batches of a step and the number of their trained tokens, as in Trainer; a row that is only
        there to fill up the last batch of an epoch carries no loss and is not counted.

        Raises:
            EngineError: none of the step's tokens is trained on, on any device.
        """
        batches = list(itertools.islice(epoch_iterator, num_batches))
        if batches:
            dealt = self.args.per_device_train_batch_size * self.accelerator.num_processes
            batches[-1] = self._without_repeats(batches[-1], len(self.train_dataset) % dealt)
        samples: StepBatches = super().get_batch_samples(iter(batches), num_batches, *device)
        trained = samples[1]
        if trained is None:
            trained = sum(int((batch["labels"] != IGNORE).sum()) for batch in batches)
        if batches and trained <= 0:
            raise EngineError(
                f"step {self.state.global_step + 1} has no token to train on: all labels are masked",
                remedy="medft prepare shows which tokens of a row are trained on",
            )
        return samples

    def prediction_step(self, model: CausalLM, inputs: Batch, *args: object, **kwargs: object) -> object:
        """As in ``transformers.Trainer``, without repeated rows."""
        real = self._without_repeats(inputs, self.accelerator.gradient_state.remainder)
        return super().prediction_step(model, real, *args, **kwargs)

    def _without_repeats(self, batch: Batch, remainder: int) -> Batch:
        """Take the loss from rows that only fill up the last batch of several devices.

        accelerate deals every device a whole batch and begins again with the first rows where they run out;
        ``remainder`` rows of all devices' last batches, in their order, are real; 0 or less: all. (Its own
        count of them is lost where a resumed epoch begins in its middle.)
        """
        devices = self.accelerator.num_processes
        if devices == 1 or not self.accelerator.gradient_state.end_of_dataloader or remainder <= 0:
            return batch
        rows = int(batch["row"].max()) + 1
        repeated = batch["row"] >= remainder - self.accelerator.process_index * rows
        return batch | {
            "labels": batch["labels"].masked_fill(repeated, IGNORE),
            "answer_bytes": batch["answer_bytes"].masked_fill(repeated, 0),
            "row": batch["row"].masked_fill(repeated, -1),
        }

    def compute_loss(
        self,
        model: CausalLM,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, Output]:
        """As in SFTTrainer; adds the batch to the sums of training or of validation."""
        inputs = dict(inputs)
        answer_bytes, row, labels = inputs.pop("answer_bytes"), inputs.pop("row"), inputs["labels"]
        records = inputs.pop("record")
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
            sums = self.train_sums if model.training else self.eval_sums
            if self._answers is not None and self.bits_known:
                of_rows = self.stop_loss.by_row(labels, answer_bytes, row)
                self._answers += [(int(records[place]), lost, size) for place, lost, size in of_rows]
            sums.add(
                nats=nats,
                tokens=tokens,
                answer_nats=nats - self.stop_loss.nats(labels, answer_bytes, nats),
                answer_bytes=answer_bytes.clamp(min=0).sum(),
                real=(row >= 0).sum(),
                processed=labels.numel(),
            )
        return (loss, outputs) if return_outputs else loss

    def training_step(self, *args: object, **kwargs: object) -> torch.Tensor:
        """As in Trainer; an error says that it was met in training."""
        with phase("training"):
            loss: torch.Tensor = super().training_step(*args, **kwargs)
            return loss

    def evaluation_loop(
        self, *args: object, metric_key_prefix: str = "eval", **kwargs: object
    ) -> EvalLoopOutput:
        """As in ``SFTTrainer``, with the loss weighted by tokens and bits per byte among the metrics."""
        self._read(self.eval_sums)
        with phase("validation"), self._timed("validation"):
            output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
            reading = self._read(self.eval_sums)
        output.metrics[f"{metric_key_prefix}_loss"] = reading.loss
        output.metrics[f"{metric_key_prefix}_bits_per_byte"] = reading.bits_per_byte
        return output

    def test(self, rows: Rows) -> Judged:
        """The base, and the tuned model on the same rows; the tuned one alone is logged, last."""
        loop = partial(
            self.evaluation_loop, self.get_eval_dataloader(rows), "base", prediction_loss_only=True
        )
        with self.model.disable_adapter():
            base, before = self._answered(lambda: loop(metric_key_prefix="test").metrics)
        tuned, after = self._answered(lambda: self.evaluate(rows, metric_key_prefix="test"))
        tuned_nats = {record: nats for record, nats, _ in after}
        return Judged(
            base_loss=base["test_loss"],
            base_bits_per_byte=base["test_bits_per_byte"],
            tuned_loss=tuned["test_loss"],
            tuned_bits_per_byte=tuned["test_bits_per_byte"],
            answers=tuple(Answer(nats, tuned_nats[record], size, record) for record, nats, size in before),
        )

    def _answered(self, judge: Callable[[], Figures]) -> tuple[Figures, list[Found]]:
        """The metrics of a judgement, with what was found of every answer, over all devices."""
        self._answers = []
        try:
            return judge(), list(gather_object(self._answers))
        finally:
            self._answers = None

    def _save_checkpoint(self, *args: object, **kwargs: object) -> None:
        with self._timed("saving"):
            super()._save_checkpoint(*args, **kwargs)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        """Add the block's wall time to ``clock``."""
        began = time.perf_counter()
        yield
        self.clock[what] += time.perf_counter() - began

    @property
    def bits_known(self) -> bool:
        """Whether bits per byte can be told for this model."""
        return self.stop_loss.works

    def measured(self) -> Reading:
        """The sums of training since the last call, over all devices."""
        return self._read(self.train_sums)

    def forget(self) -> None:
        """Begin all sums again."""
        self.train_sums, self.eval_sums = Sums(), Sums()

    def _read(self, sums: Sums) -> Reading:
        return sums.read(lambda all: self.accelerator.reduce(all.to(self.args.device), reduction="sum"))

    def take(self, steps: int, eval_steps: int, save_steps: int) -> None:
        """Train for other steps than it was built for; not after ``train``."""
        self.args.max_steps, self.args.save_steps = steps, save_steps
        if self.args.eval_steps is not None:
            self.args.eval_steps = eval_steps

    def inputs_of(self, rows: Sequence[EncodedRow]) -> Batch:
        """One batch, on this trainer's device."""
        inputs: Batch = self._prepare_inputs(self.data_collator(rows))
        return inputs

    def backward(self, loss: torch.Tensor) -> None:
        """The gradients of a loss."""
        self.accelerator.backward(loss)

    def restore(self, checkpoint: Path) -> None:
        """State and weights of a checkpoint, or of the best one so far where that is to be kept."""
        self.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        best = self.state.best_model_checkpoint if self.args.load_best_model_at_end else None
        self._load_from_checkpoint(best or str(checkpoint))
