"""Encoded splits: what is in the files, and when they are encoded again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from medft.data.record import Record
from medft.errors import PromptError
from medft.models import tokenizer as tokenizers
from medft.prompt.config import TaskConfig, TemplateConfig, WordingConfig
from medft.prompt.encode import Encoder
from medft.prompt.encoded import IGNORE
from medft.prompt.template import messages
from medft.prompt.tokens import EncodedSplit, encode_splits
from tests.data.support import record

TEMPLATE = TemplateConfig("t", {"qa": TaskConfig(WordingConfig("{question}", system="Be kind."))})
ROWS = [record(f"What is {n}?", f"Illness {n}. " * (40 if n == 3 else 2), id=str(n)) for n in range(6)]
LONG = record("word " * 300, "Too late.", id="long")
STOPS = (2,)

Encode = Callable[..., dict[str, EncodedSplit]]


@pytest.fixture(scope="module")
def tokenizer(twins: Any) -> Any:
    return tokenizers.load(twins("mistral").bits16)


@pytest.fixture
def encode(tokenizer: Any, tmp_path: Path) -> Encode:
    """Encodes with these settings, but for those that are named; counts how often rows were read."""

    def run(rows: list[Record] = ROWS, **changed: Any) -> dict[str, EncodedSplit]:
        def train() -> Iterator[Record]:
            run.reads += 1  # type: ignore[attr-defined]
            return iter(rows)

        settings = {"template": TEMPLATE, "too_long": "truncate", "fingerprint": "records|tokenizer"}
        made = {"max_length": 100, "stop_ids": STOPS}
        made |= {name: changed.pop(name) for name in tuple(changed) if name in made}
        settings |= changed
        return encode_splits(
            {"train": train, "test": lambda: iter([])}, encoder=Encoder(tokenizer, **made),
            cache=tmp_path, **settings,
        )  # fmt: skip

    run.reads = 0  # type: ignore[attr-defined]
    return run


def read(split: EncodedSplit) -> list[dict[str, Any]]:
    with pa.memory_map(str(split.path)) as file:
        return pa.ipc.open_stream(file).read_all().to_pylist()


def test_the_file_holds_what_the_encoder_makes_and_the_figures_are_its_sums(
    encode: Encode, tokenizer: Any
) -> None:
    splits = encode([*ROWS, LONG])
    train, rows = splits["train"], read(splits["train"])
    (third,) = Encoder(tokenizer, 100, STOPS).encode([messages(ROWS[3], TEMPLATE)])
    assert (rows[3]["input_ids"], rows[3]["labels"]) == (third.input_ids, third.labels)
    assert [row["length"] for row in rows] == [len(row["input_ids"]) for row in rows]
    assert [row["record"] for row in rows] == [0, 1, 2, 3, 4, 5]
    assert train.tokens == sum(row["length"] for row in rows)
    assert train.loss_tokens == sum(label != IGNORE for row in rows for label in row["labels"])
    assert train.answer_bytes == sum(size for row in rows for size in row["answer_bytes"] if size > 0)
    assert (train.rows, train.longest, train.lengths[-1]) == (6, 100, 100)
    assert train.problems == {"answer truncated": 1, "prompt longer than max_length": 1}
    assert (splits["test"].rows, read(splits["test"])) == (0, [])
    shifted = read(encode([ROWS[0], LONG, ROWS[1]], fingerprint="shifted")["train"])
    assert [row["record"] for row in shifted] == [0, 2]  # the second of them is no row


def test_rows_that_are_too_long_are_dropped_when_asked_to(encode: Encode) -> None:
    train = encode(too_long="drop")["train"]
    assert (train.rows, train.problems) == (5, {"answer truncated": 1})
    assert max(row["length"] for row in read(train)) < 100


def test_no_row_left_is_an_error(encode: Encode) -> None:
    with pytest.raises(PromptError, match="max_length=100") as error:
        encode([LONG])
    assert error.value.where == "1 prompt longer than max_length"


WORDS = TemplateConfig("t", {"qa": TaskConfig(WordingConfig("Q: {question}", system="Be kind."))})


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ({}, False),
        ({"template": replace(TEMPLATE, name="u", description="Other words for people.")}, False),
        ({"template": WORDS}, True),
        ({"fingerprint": "other records|tokenizer"}, True),
        ({"fingerprint": "records|other tokenizer"}, True),
        ({"max_length": 90}, True),
        ({"too_long": "drop"}, True),
        ({"stop_ids": (2, 5)}, True),
    ],
)
def test_rows_are_encoded_again_when_something_changed_that_matters(
    encode: Encode, changed: dict[str, Any], again: bool
) -> None:
    first = encode()
    second = encode(**changed)
    assert encode.reads == 1 + again  # type: ignore[attr-defined]
    assert (first["train"].path == second["train"].path) != again


def test_changed_code_encodes_again(encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    encode()
    monkeypatch.setattr("medft.prompt.tokens.code_version", lambda package: "another")
    encode()
    assert encode.reads == 2  # type: ignore[attr-defined]


def test_the_chat_template_and_special_tokens_are_part_of_the_tokenizers_fingerprint(tokenizer: Any) -> None:
    prints = [tokenizers.fingerprint(tokenizer)]
    template = tokenizer.chat_template
    try:
        tokenizer.chat_template = template + " "
        prints.append(tokenizers.fingerprint(tokenizer))
    finally:
        tokenizer.chat_template = template
    assert tokenizers.fingerprint(tokenizer) == prints[0] != prints[1]


def test_of_those_that_ask_at_once_one_encodes(encode: Encode) -> None:
    with ThreadPoolExecutor(2) as pool:
        splits = [done.result() for done in [pool.submit(encode) for _ in range(2)]]
    assert encode.reads == 1  # type: ignore[attr-defined]
    assert splits[0] == splits[1]


def test_what_a_killed_process_left_is_not_taken_for_whole(encode: Encode, tmp_path: Path) -> None:
    folder = encode()["train"].path.parent
    (folder / "splits.json").rename(folder.with_name("elsewhere.json"))
    assert encode()["train"].rows == 6
    assert encode.reads == 2  # type: ignore[attr-defined]
    assert json.loads((folder / "splits.json").read_text())["train"]["rows"] == 6


def test_rows_that_cannot_be_worded_are_left_out_and_counted(encode: Encode) -> None:
    blank = record("", "An answer without its question.", id="blank")
    split = encode([*ROWS, blank])["train"]
    assert split.rows == len(ROWS)
    ((what, count),) = [(what, n) for what, n in split.problems.items() if what.startswith("cannot")]
    assert count == 1 and "needs the field 'question'" in what


def test_labels_that_the_prompt_does_not_offer_end_it_before_training(encode: Encode) -> None:
    words = WordingConfig("{context} {question} entailment or neutral?", "{label}")
    template = TemplateConfig("t", {"nli": TaskConfig(words)})
    rows = [record("a", "", context="b", task="nli", label=label) for label in ("entailment", "Refutes")]
    with pytest.raises(PromptError, match=r"do not mention the gold labels 'Refutes' \(1\)"):
        encode(rows, template=template)
    assert encode(rows[:1], template=template)["train"].rows == 1
