"""A fine-tuned encoder (Devlin et al. 2019; ELECTRA, arXiv 2003.10555) as a baseline for label suites."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medft.aliases import Json, NamedProgress
from medft.config import plain
from medft.data.record import Record
from medft.errors import DataError
from medft.evaluation.answers import digest
from medft.evaluation.asking import Answers
from medft.evaluation.config import EncoderConfig
from medft.evaluation.questions import Question
from medft.inference.generation import Reply
from medft.inference.likelihood import Likelihood
from medft.models.hub import fetch

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Trainer, TrainerCallback, TrainerState


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a classifier is to be trained on, and from what."""

    config: EncoderConfig
    """The training recipe."""
    folder: Path
    """The checkpoint."""
    train: Sequence[Record]
    """Pairs of context and question, with their labels."""
    labels: Sequence[str]
    """The classes."""

    def key(self, record: Record, seed: int) -> str:
        """Identifies a prediction: all that it depends on."""
        pairs = hashlib.sha256("\0".join(map(_pair, self.train)).encode()).hexdigest()
        return digest(plain(self.config), str(self.folder), pairs, self.labels, seed, _pair(record))


def open_baseline(config: EncoderConfig, train: Sequence[Record], labels: Sequence[str]) -> Baseline:
    """Find the checkpoint and see whether ``train`` can teach every label, before anything is asked.

    Raises:
        DataError: there is nothing to train on, or a label is missing from it.
        HubError, EngineError: the checkpoint cannot be had.
    """
    missing = sorted(set(labels) - {record.label for record in train})
    if missing:
        raise DataError(
            f"the encoder baseline has no training pair for {', '.join(missing)}",
            where=f"{len(train):,} training pairs",
            remedy="the suite's data set needs a train split, or leave the encoder out",
        )
    return Baseline(config, fetch(config.base, config.revision), train, labels)


def predict(
    baseline: Baseline,
    test: Sequence[Record],
    seed: int,
    progress: NamedProgress = lambda what, done, total: None,
) -> tuple[list[str], Json]:
    """Fine-tune the encoder and predict the labels of ``test``.

    Returns:
        One label per test record, and what to say of the training.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(baseline.folder, local_files_only=True)
    pairs = [_pair_ids(tokenizer, record, baseline) for record in baseline.train]
    questions = [_pair_ids(tokenizer, record, baseline) for record in test]
    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer(baseline, tokenizer, pairs, seed, folder)
        trainer.add_callback(_telling(progress))
        trainer.train()
        best = trainer.predict(questions).predictions.argmax(-1)
    cut = sum(_length(tokenizer, r) > baseline.config.max_length for r in [*baseline.train, *test])
    return [baseline.labels[i] for i in best], {
        "base": baseline.config.base,
        "training pairs": len(pairs),
        "last loss": next(entry["loss"] for entry in reversed(trainer.state.log_history) if "loss" in entry),
        "pairs cut": cut,
    }


def as_answers(questions: Sequence[Question], predicted: Sequence[str], labels: Sequence[str]) -> Answers:
    """Predictions in the shape of a language model's answers, so that the same suite scores them: the label
    as text, and one nat less for it than for every other."""
    answers = Answers(probabilities=False)
    for question, label in zip(questions, predicted, strict=True):
        answers.replies[question.id] = Reply(label, 1, stopped=True)
        nats = [float(other != label) for other in labels]
        answers.likelihoods[question.id] = tuple(Likelihood(n, 1, n, 1, len(label)) for n in nats)
    return answers


def _trainer(
    baseline: Baseline, tokenizer: PreTrainedTokenizerFast, pairs: Sequence[Json], seed: int, folder: str
) -> Trainer:
    """AdamW with weight decay 0.01, linear warm-up over 10% of the steps and linear decay, on one GPU."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        DataCollatorWithPadding,
        PrinterCallback,
        Trainer,
        TrainingArguments,
    )  # fmt: skip

    config = baseline.config
    arguments = TrainingArguments(
        folder,
        seed=seed,
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        weight_decay=0.01,
        warmup_steps=config.epochs * -(-len(pairs) // config.batch_size) // 10,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    if arguments.n_gpu > 1:  # or it would multiply the batch by the GPUs
        arguments._n_gpu = 1
    torch.manual_seed(seed)  # of the classification head
    model = AutoModelForSequenceClassification.from_pretrained(
        baseline.folder, num_labels=len(baseline.labels), local_files_only=True, use_safetensors=True
    )
    trainer = Trainer(model, arguments, DataCollatorWithPadding(tokenizer), pairs)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _telling(progress: NamedProgress) -> TrainerCallback:
    """A callback that tells ``progress`` of every step."""
    from transformers import TrainerCallback

    class Steps(TrainerCallback):  # type: ignore[misc]
        """Counts steps."""

        def on_step_end(self, args: object, state: TrainerState, control: object, **kwargs: object) -> None:
            """Tell how many are done."""
            progress("encoder: training", state.global_step, state.max_steps)

    return Steps()


def _pair_ids(tokenizer: PreTrainedTokenizerFast, record: Record, baseline: Baseline) -> Json:
    """Premise and hypothesis as a pair, with the label; a premise that is too long is cut at its end."""
    longest = baseline.config.max_length
    row = tokenizer(record.context, record.question, truncation="only_first", max_length=longest)
    return {**row, "labels": baseline.labels.index(record.label)}


def _length(tokenizer: PreTrainedTokenizerFast, record: Record) -> int:
    return len(tokenizer(record.context, record.question, truncation=False)["input_ids"])


def _pair(record: Record) -> str:
    return f"{record.context}\0{record.question}\0{record.label}"
