"""A fine-tuned encoder as a baseline for label suites.

Owns the training and prediction of a sequence classifier (Devlin et al. 2019; ELECTRA, arXiv 2003.10555).
Knows nothing of language models or of how predictions are scored.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medft.aliases import Json, NamedProgress
from medft.config import plain
from medft.data.record import Record
from medft.errors import DataError
from medft.evaluation.answers import digest
from medft.evaluation.asking import Answered
from medft.evaluation.config import EncoderConfig
from medft.evaluation.metrics import words
from medft.evaluation.questions import Question
from medft.inference.generation import Reply
from medft.inference.likelihood import Likelihood
from medft.models.hub import fetch

if TYPE_CHECKING:
    import torch
    from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a classifier is to be trained on, and from what."""

    config: EncoderConfig
    """The recipe."""
    folder: Path | None
    """The checkpoint; None takes a random one of two layers, with the words of the training pairs."""
    train: Sequence[Record]
    """Pairs of context and question, with their labels."""
    labels: Sequence[str]
    """The classes."""

    def key(self, record: Record, seed: int) -> str:
        """Identifies a prediction: all that it depends on."""
        pairs = hashlib.sha256("\0".join(map(_pair, self.train)).encode()).hexdigest()
        return digest(plain(self.config), str(self.folder), pairs, self.labels, seed, _pair(record))


def open_baseline(
    config: EncoderConfig, train: Sequence[Record], labels: Sequence[str], tiny: bool
) -> Baseline:
    """Find the checkpoint and see whether ``train`` can teach every label, before anything is asked.

    Raises:
        DataError: there is nothing to train on, or a label is missing from it.
        HubError, EngineError: the checkpoint cannot be had.
    """
    missing = sorted(set(labels) - {record.label for record in train})
    if missing:
        raise DataError(
            f"the encoder baseline has no training pair of {', '.join(missing)}",
            where=f"{len(train):,} training pairs",
            remedy="the suite's data set needs a train split, or leave the encoder out",
        )
    return Baseline(config, None if tiny else fetch(config.base, config.revision), train, labels)


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
    import torch

    torch.manual_seed(seed)
    tokenizer, model = _load(baseline)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    longest = baseline.config.max_length
    cut = sum(_length(tokenizer, record) > longest for record in [*baseline.train, *test])
    loss = _fit(model, tokenizer, baseline, random.Random(seed), progress)  # noqa: S311
    predicted = _predict(model, tokenizer, test, baseline)
    base = baseline.config.base if baseline.folder else "two random layers"
    return predicted, {
        "base": base,
        "training pairs": len(baseline.train),
        "last loss": loss,
        "pairs cut": cut,
    }


def as_answers(questions: Sequence[Question], predicted: Sequence[str], labels: Sequence[str]) -> Answered:
    """Predictions in the shape of a language model's answers, so that the same suite scores them: the label
    as text, and one nat less for it than for every other."""
    answered = Answered()
    for question, label in zip(questions, predicted, strict=True):
        answered.replies[question.id] = Reply(label, 1, stopped=True)
        nats = [float(other != label) for other in labels]
        answered.likelihoods[question.id] = tuple(Likelihood(n, 1, n, 1, len(label)) for n in nats)
    return answered


def _fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    baseline: Baseline,
    rng: random.Random,
    progress: NamedProgress,
) -> float:
    """AdamW with weight decay 0.01, linear warm-up over 10% of the steps and linear decay."""
    import torch
    from transformers import get_linear_schedule_with_warmup

    config, train, labels = baseline.config, baseline.train, baseline.labels
    steps = config.epochs * -(-len(train) // config.batch_size)
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimiser, steps // 10, steps)
    model.train()
    done, loss = 0, float("nan")
    for _ in range(config.epochs):
        order = rng.sample(list(train), len(train))
        for batch in _batches(order, config.batch_size):
            inputs = _inputs(tokenizer, batch, config, model.device)
            gold = torch.tensor([labels.index(record.label) for record in batch], device=model.device)
            output = model(**inputs, labels=gold)
            output.loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            done, loss = done + 1, float(output.loss.detach())
            progress("encoder: training", done, steps)
    return loss


def _predict(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, test: Sequence[Record], baseline: Baseline
) -> list[str]:
    import torch

    model.eval()
    predicted: list[str] = []
    with torch.inference_mode():
        for batch in _batches(test, baseline.config.batch_size):
            best = model(**_inputs(tokenizer, batch, baseline.config, model.device)).logits.argmax(-1)
            predicted += [baseline.labels[i] for i in best.tolist()]
    return predicted


def _load(baseline: Baseline) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    if baseline.folder is None:
        return _tiny(baseline.labels, baseline.train, baseline.config.max_length)
    tokenizer = AutoTokenizer.from_pretrained(baseline.folder, local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(
        baseline.folder, num_labels=len(baseline.labels), local_files_only=True, use_safetensors=True
    )
    return tokenizer, model


def _tiny(
    labels: Sequence[str], train: Sequence[Record], max_length: int
) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import ElectraConfig, ElectraForSequenceClassification, PreTrainedTokenizerFast

    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    known = sorted({word for record in train for word in words(f"{record.context} {record.question}")})
    vocabulary = {word: i for i, word in enumerate([*names.values(), *known])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=names["unk_token"]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    sizes = ElectraConfig(
        vocab_size=tokenizer.get_vocab_size(),
        embedding_size=64,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=max_length,
        num_labels=len(labels),
    )
    return fast, ElectraForSequenceClassification(sizes)


def _inputs(
    tokenizer: PreTrainedTokenizerFast, batch: Sequence[Record], config: EncoderConfig, device: torch.device
) -> BatchEncoding:
    """Premise and hypothesis as a pair; a premise that is too long is cut at its end."""
    return tokenizer(
        [record.context for record in batch],
        [record.question for record in batch],
        truncation="only_first",
        max_length=config.max_length,
        padding=True,
        return_tensors="pt",
    ).to(device)


def _length(tokenizer: PreTrainedTokenizerFast, record: Record) -> int:
    return len(tokenizer(record.context, record.question, truncation=False)["input_ids"])


def _batches(records: Sequence[Record], size: int) -> list[Sequence[Record]]:
    return [records[i : i + size] for i in range(0, len(records), size)]


def _pair(record: Record) -> str:
    return f"{record.context}\0{record.question}\0{record.label}"
