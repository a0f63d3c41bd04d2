"""The protocols against what the libraries really give: mypy does not look into them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import get_protocol_members

from medft.engine import engine
from medft.engine.base import LoadSpec, LoraConfig
from medft.engine.trainer import Arguments, Collate, Rows, Trainer, TrainerState
from medft.models import tokenizer as tokenizers
from medft.models.causal_lm import AdaptedLM, AdapterSettings, CausalLM, Configuration, Decoder
from medft.models.tiny import Twin
from medft.prompt.tokenizer import Tokenizer
from tests.support import sft


@pytest.fixture(scope="module")
def real(twins: Callable[[Any], Twin], tmp_path_factory: pytest.TempPathFactory) -> dict[type, Any]:
    """An object of the libraries per protocol."""
    base: Path = twins("mistral").nf4
    tokenizer = tokenizers.load(base)
    spec = LoadSpec(base, "float32", load_in_4bit=True, max_length=64)
    model = engine("transformers").load_for_training(spec, LoraConfig(), tokenizer, seed=1)
    trainer = sft.trainer(model, tokenizer, sft.rows(2), tmp_path_factory.mktemp("checkpoints"))
    return {
        Tokenizer: tokenizer, AdaptedLM: model, CausalLM: model.get_base_model(), Configuration: model.config,
        Decoder: model.get_base_model().get_decoder(), AdapterSettings: model.peft_config["default"],
        Trainer: trainer, Arguments: trainer.args, TrainerState: trainer.state, Rows: trainer.train_dataset,
        Collate: trainer.data_collator,
    }  # fmt: skip


@pytest.mark.parametrize(
    "protocol",
    [Tokenizer, AdaptedLM, CausalLM, Configuration, Decoder, AdapterSettings, Trainer, Arguments,
     TrainerState, Rows, Collate],
)  # fmt: skip
def test_what_a_protocol_promises_is_there(real: dict[type, Any], protocol: type) -> None:
    members = get_protocol_members(protocol)
    assert members
    assert [name for name in sorted(members) if not hasattr(real[protocol], name)] == []
