"""A fine-tuned encoder as a baseline for label suites.

Owns the training and prediction of a sequence classifier (Devlin et al. 2019; ELECTRA, arXiv 2003.10555).
Knows nothing of language models or of how predictions are scored.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from medft.data.record import Record
from medft.errors import DataError
from medft.evaluation.asking import Answered, Progress
from medft.evaluation.config import EncoderConfig
from medft.evaluation.metrics import words
from medft.evaluation.questions import Question
from medft.inference.generation import Reply
from medft.inference.likelihood import Likelihood
from medft.models.hub import fetch

TINY = "tiny"
"""The base that stands in at tiny scale: two layers, random, with words of the training pairs as
vocabulary."""


def predict(
    train: Sequence[Record],
    test: Sequence[Record],
    labels: Sequence[str],
    config: EncoderConfig,
    seed: int,
    progress: Progress = lambda what, done, total: None,
) -> tuple[list[str], dict[str, Any]]:
    """Fine-tune an encoder on the pairs of ``train`` and predict the labels of ``test``.

    Returns:
        One label per test record, and what to say of the training.

    Raises:
        DataError: there is nothing to train on, or a label is missing from it.
    """
    missing = sorted(set(labels) - {record.label for record in train})
    if missing:
        raise DataError(
            f"the encoder baseline has no training pair of {', '.join(missing)}",
            where=f"{len(train):,} training pairs",
            remedy="the suite's data set needs a train split, or leave the encoder out",
        )
    import torch

    torch.manual_seed(seed)
    tokenizer, model = _load(config, labels, train)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    cut = sum(_length(tokenizer, record) > config.max_length for record in [*train, *test])
    loss = _fit(model, tokenizer, train, labels, config, random.Random(seed), progress)  # noqa: S311
    predicted = _predict(model, tokenizer, test, labels, config)
    about = {"base": config.base, "training pairs": len(train), "last loss": loss, "pairs cut": cut}
    return predicted, about


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
    model: Any,
    tokenizer: Any,
    train: Sequence[Record],
    labels: Sequence[str],
    config: EncoderConfig,
    rng: random.Random,
    progress: Progress,
) -> float:
    """AdamW with weight decay 0.01, linear warm-up over 10% of the steps and linear decay."""
    import torch
    from transformers import get_linear_schedule_with_warmup

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
    model: Any, tokenizer: Any, test: Sequence[Record], labels: Sequence[str], config: EncoderConfig
) -> list[str]:
    import torch

    model.eval()
    predicted: list[str] = []
    with torch.inference_mode():
        for batch in _batches(test, config.batch_size):
            best = model(**_inputs(tokenizer, batch, config, model.device)).logits.argmax(-1)
            predicted += [labels[i] for i in best.tolist()]
    return predicted


def _load(config: EncoderConfig, labels: Sequence[str], train: Sequence[Record]) -> tuple[Any, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    if config.base == TINY:
        return _tiny(labels, train, config.max_length)
    folder = fetch(config.base, config.revision)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=len(labels), local_files_only=True, use_safetensors=True
    )
    return tokenizer, model


def _tiny(labels: Sequence[str], train: Sequence[Record], max_length: int) -> tuple[Any, Any]:
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


def _inputs(tokenizer: Any, batch: Sequence[Record], config: EncoderConfig, device: Any) -> Any:
    """Premise and hypothesis as a pair; a premise that is too long is cut at its end."""
    return tokenizer(
        [record.context for record in batch],
        [record.question for record in batch],
        truncation="only_first",
        max_length=config.max_length,
        padding=True,
        return_tensors="pt",
    ).to(device)


def _length(tokenizer: Any, record: Record) -> int:
    return len(tokenizer(record.context, record.question, truncation=False)["input_ids"])


def _batches(records: Sequence[Record], size: int) -> list[Sequence[Record]]:
    return [records[i : i + size] for i in range(0, len(records), size)]
