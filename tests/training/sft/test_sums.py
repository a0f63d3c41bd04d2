"""Bits per byte and token-weighted losses against a reference computed by hand."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft.data.record import Message
from medft.models.tiny import Twin
from tests.support import sft

ANSWERS = (
    "A chronic lung disease.",
    "Fièvre: 38,5 °C",
    "No.",
    "Take two puffs, wait, and call for help if it stays.",
)


@pytest.fixture(scope="module")
def loaded(twins: Callable[[Any], Twin]) -> tuple[Any, Any, list[sft.Row]]:
    """A float32 model, its tokenizer, and four real conversations of different lengths as rows."""
    import torch
    from transformers import AutoModelForCausalLM

    from medft.models import tokenizer as tokenizers
    from medft.prompt.encode import Encoder

    folder = twins("llama2").bits16  # a space stands between its answers and the stop token
    tokenizer = tokenizers.load(folder)
    talks = [[Message("user", "What is it?"), Message("assistant", answer)] for answer in ANSWERS]
    encoded = Encoder(tokenizer, 512, tokenizers.stop_ids(tokenizer, folder)).encode(talks)
    columns = ("input_ids", "labels", "answer_bytes")
    rows = [{name: getattr(row, name) for name in columns} for row in encoded]
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), tokenizer, rows


def by_hand(model: Any, rows: list[sft.Row]) -> tuple[float, float]:
    """(loss, bits per byte), a row and a token at a time, with nothing of medft's."""
    import torch

    nats = answer_nats = tokens = 0.0
    for row in rows:
        with torch.no_grad():
            scores = model(torch.tensor([row["input_ids"]])).logits[0].double().log_softmax(-1)
        for position in range(1, len(row["input_ids"])):
            if row["labels"][position] != -100:
                nll = -scores[position - 1, row["input_ids"][position]].item()
                nats, tokens = nats + nll, tokens + 1
                answer_nats += nll if row["answer_bytes"][position] >= 0 else 0.0
    return nats / tokens, answer_nats / math.log(2) / sum(len(answer.encode("utf-8")) for answer in ANSWERS)


@pytest.mark.parametrize("padding_free", [False, True])
def test_validation_equals_the_sums_by_hand_whatever_the_batches(
    loaded: tuple[Any, Any, list[sft.Row]], tmp_path: Path, padding_free: bool
) -> None:
    from datasets import Dataset

    model, tokenizer, rows = loaded
    loss, bits = by_hand(model.eval(), rows)
    trainer = sft.trainer(
        model, tokenizer, rows, tmp_path, per_device_eval_batch_size=3, padding_free=padding_free
    )
    if padding_free:
        from medft.engine import engine

        engine("transformers").separate_examples(trainer)
    found = trainer.evaluate(Dataset.from_list(rows))  # batches of three and one
    assert found["eval_loss"] == pytest.approx(loss, rel=1e-5)
    assert found["eval_bits_per_byte"] == pytest.approx(bits, rel=1e-5)


def test_base_and_tuned_model_are_judged_answer_by_answer(
    loaded: tuple[Any, Any, list[sft.Row]], tmp_path: Path
) -> None:
    import peft
    import torch
    from datasets import Dataset

    model, tokenizer, rows = loaded
    lora = peft.LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")
    adapted = peft.get_peft_model(copy.deepcopy(model), lora)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    with adapted.disable_adapter():
        base = by_hand(adapted.eval(), rows)
    tuned = by_hand(adapted, rows)
    trainer = sft.trainer(adapted, tokenizer, rows, tmp_path, per_device_eval_batch_size=3)
    asked = Dataset.from_list([{**row, "record": 10 - place} for place, row in enumerate(rows)])
    found = trainer.test(asked)
    assert [answer.record for answer in found.answers] == [10 - place for place in range(len(rows))]
    assert (found.base_loss, found.base_bits_per_byte) == pytest.approx(base, rel=1e-5)
    assert (found.tuned_loss, found.tuned_bits_per_byte) == pytest.approx(tuned, rel=1e-5)
    assert [answer.size for answer in found.answers] == [len(answer.encode()) for answer in ANSWERS]
    per_row = [[by_hand(adapted, [row])[1] for row in rows]]
    with adapted.disable_adapter():
        per_row.append([by_hand(adapted, [row])[1] for row in rows])
    whole = math.log(2) * sum(len(answer.encode()) for answer in ANSWERS)  # what by_hand divides by
    assert [each.tuned_nats / whole for each in found.answers] == pytest.approx(per_row[0], rel=1e-4)
    assert [each.base_nats / whole for each in found.answers] == pytest.approx(per_row[1], rel=1e-4)
    assert trainer.test(asked).answers == found.answers


def test_the_sums_of_training_are_the_token_weighted_mean_over_uneven_batches(
    loaded: tuple[Any, Any, list[sft.Row]], tmp_path: Path
) -> None:
    model, tokenizer, rows = loaded
    loss, bits = by_hand(model.eval(), rows)
    trainer = sft.trainer(
        model, tokenizer, rows, tmp_path, in_order=True, per_device_batch_size=1,
        gradient_accumulation_steps=4, learning_rate=1e-12,
    )  # fmt: skip
    trainer.train()
    reading = trainer.measured()
    assert reading.loss == pytest.approx(loss, rel=1e-5)
    assert reading.bits_per_byte == pytest.approx(bits, rel=1e-5)
    assert reading.real == sum(len(row["input_ids"]) for row in rows) == reading.processed


def test_bits_are_left_out_where_the_logits_cannot_be_followed(
    loaded: tuple[Any, Any, list[sft.Row]],
) -> None:
    import torch

    from medft.training.sft.sums import StopTokenLoss

    model, _, rows = loaded
    watched = StopTokenLoss(model)
    ids, labels, sizes = (torch.tensor([rows[0][name]]) for name in ("input_ids", "labels", "answer_bytes"))
    with torch.no_grad():
        model(ids)
    assert math.isnan(watched.nats(labels, sizes, torch.tensor(1.0)))  # not this model's loss
    assert not watched.works
