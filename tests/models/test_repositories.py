"""The checks that a run begins with, over what the repositories of all shipped models are known to hold: what
ends an answer, what pads, and whether both are learnt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from medft.data.record import Message
from medft.models.chat_templates import text_of
from medft.models.families import folder_of
from medft.models.tokenizer import load, stop_ids
from medft.paths import conf_dir
from medft.prompt.encode import Encoder
from medft.prompt.encoded import IGNORE

FACTS: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "fixtures" / "repositories.yaml").read_text(encoding="utf-8")
)
NOT_THERE = {
    "custom": "the user's own",
    "gemma3_4b": "sees too: a processor in the place of a tokenizer",
    "medgemma_4b": "sees too: a processor in the place of a tokenizer",
    "gemma4_e2b": "nothing of its repository could be read yet",
}
BYTES = 1000  # ids of the 256 bytes that texts are made of here; above and below stand the special tokens


def cases() -> Iterator[tuple[str, str | None]]:
    return ((name, pad) for name, facts in FACTS.items() for pad in facts["pad"])


def write(folder: Path, facts: dict[str, Any], pad: str | None) -> None:
    """The files of a repository that a tokenizer is loaded from."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = {char: BYTES + i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(vocab={**letters, **facts["tokens"]}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(token, normalized=False) for token in facts["tokens"]])
    special = facts["special"] | ({"pad_token": pad} if pad else {})
    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)
    family = facts["template"].removeprefix("family/")
    template = folder_of(family) / "chat_template.jinja" if "/" in facts["template"] else None
    text = template.read_text(encoding="utf-8") if template else text_of(family)
    (folder / "chat_template.jinja").write_text(text, encoding="utf-8")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": facts["generation"]}))


def test_every_shipped_model_has_its_facts() -> None:
    shipped = {file.stem for file in (conf_dir() / "model").glob("*.yaml")}
    described = [name for facts in FACTS.values() for name in facts["models"]]
    assert len(described) == len(set(described))
    assert shipped == {*described, *NOT_THERE}


@pytest.mark.parametrize(("name", "pad"), cases())
def test_a_repository_passes_the_checks_that_a_run_begins_with(
    tmp_path: Path, name: str, pad: str | None
) -> None:
    facts = FACTS[name]
    write(tmp_path, facts, pad)
    tokenizer = load(tmp_path)
    vocabulary = tokenizer.get_vocab()
    assert {token: vocabulary[token] for token in facts["tokens"]} == facts["tokens"]
    stops = stop_ids(tokenizer, tmp_path)
    assert list(stops) == facts["ends"]
    assert tokenizer.pad_token_id not in stops
    assert facts["pads"] in (None, tokenizer.pad_token_id)
    asked = [Message("user", "What is asthma?"), Message("assistant", "A disease.")]
    (row,) = Encoder(tokenizer, 512, stops).encode([asked])
    learnt = [label for label in row.labels if label != IGNORE]
    assert "A disease." in tokenizer.decode(learnt)
    assert any(label in stops for label in learnt[-2:])
