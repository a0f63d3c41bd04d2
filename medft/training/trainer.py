"""TRL's SFTTrainer, with the sums that exact figures need.

Owns the collator that carries answer bytes beside the labels and the trainer that adds them up. Import it
only after ``engine.activate()``: Unsloth replaces TRL's trainer when it is imported. It knows no engine by
name.
"""

from __future__ import annotations

from typing import Any

import torch
from trl import SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling
from trl.trainer.utils import pad

from medft.training.phases import phase
from medft.training.tally import IGNORE, Reading, StopTokenLoss, Tally


class AnswerCollator(DataCollatorForLanguageModeling):  # type: ignore[misc]
    """TRL's collator, padded or padding-free, that also carries the column ``answer_bytes``."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Batch ``examples``; ``answer_bytes`` is padded with -1."""
        batch: dict[str, Any] = super().torch_call(examples)
        sizes = [torch.tensor(example["answer_bytes"]) for example in examples]
        if self.padding_free:
            sizes = [torch.cat(sizes)]
        batch["answer_bytes"] = pad(
            sizes, padding_value=-1, padding_side="right", pad_to_multiple_of=self.pad_to_multiple_of
        )
        return batch


class Trainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer whose losses are token-weighted over any window of steps, with bits per byte beside them.

    ``Trainer.evaluate`` of transformers averages batch means, which weighs a short batch like a long one;
    here ``eval_loss`` is the sum over tokens divided by their number, with ``eval_bits_per_byte`` beside it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.train_tally, self.eval_tally = Tally(), Tally()
        self.stop_loss = StopTokenLoss(self.model)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """As in SFTTrainer; adds the batch to the tally of training or of validation."""
        inputs, alone = self._without_repeats(model, inputs)
        answer_bytes, labels = inputs.pop("answer_bytes"), inputs["labels"]
        real = inputs["attention_mask"].sum() if "attention_mask" in inputs else labels.numel()
        loss, outputs = super().compute_loss(
            model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch
        )
        tokens = (labels[:, 1:] != IGNORE).sum()
        if not alone:  # only repeats of other devices' rows: nothing to add up
            return (loss, outputs) if return_outputs else loss
        with torch.no_grad():
            # In training the mean is over the trained tokens of the whole step, on all devices.
            share = (
                tokens if num_items_in_batch is None else num_items_in_batch / self.accelerator.num_processes
            )
            nats = loss.detach().double() * share
            tally = self.train_tally if model.training else self.eval_tally
            tally.add(
                nats=nats,
                tokens=tokens,
                answer_nats=nats - self.stop_loss.nats(labels, answer_bytes, nats),
                answer_bytes=answer_bytes.clamp(min=0).sum(),
                real=real,
                processed=labels.numel(),
            )
        return (loss, outputs) if return_outputs else loss

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """As in Trainer; an error says that it was met in training."""
        with phase("training"):
            return super().training_step(*args, **kwargs)

    def _without_repeats(self, model: Any, inputs: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """In validation on several devices, rows that only fill up their last batch are not counted twice.

        accelerate deals every device a whole batch and begins again with the first rows where they run out;
        ``remainder`` rows of all devices' last batches, in their order, are real.

        Returns:
            the batch, with repeated rows carrying no loss, and whether any row of it does.
        """
        state, devices = self.accelerator.gradient_state, self.accelerator.num_processes
        if model.training or devices == 1 or not state.end_of_dataloader or state.remainder <= 0:
            return inputs, True
        labels = inputs["labels"]
        if "position_ids" in inputs:  # joined rows: each begins at position 0
            row = (inputs["position_ids"] == 0).cumsum(dim=-1) - 1
        else:
            row = torch.arange(len(labels), device=labels.device)[:, None].expand_as(labels)
        rows = int(row.max()) + 1
        real = min(max(state.remainder - self.accelerator.process_index * rows, 0), rows)
        counted = {
            "labels": labels.masked_fill(row >= real, IGNORE),
            "answer_bytes": inputs["answer_bytes"].masked_fill(row >= real, 0),
        }
        return inputs | counted, real > 0

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> Any:
        """As in Trainer, with the loss weighted by tokens and bits per byte among the metrics."""
        self.read(self.eval_tally)
        with phase("validation"):
            output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        reading = self.read(self.eval_tally)
        output.metrics[f"{metric_key_prefix}_loss"] = reading.loss
        output.metrics[f"{metric_key_prefix}_bits_per_byte"] = reading.bits_per_byte
        return output

    def read(self, tally: Tally) -> Reading:
        """The sums since the last reading, over all devices."""
        return tally.read(lambda sums: self.accelerator.reduce(sums.to(self.args.device), reduction="sum"))
