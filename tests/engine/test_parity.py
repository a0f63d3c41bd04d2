"""The two engines do the same: same base, rows, seed and adapter give the same losses, batch by batch.

Tolerances, with the largest difference measured:

* float32, 16-bit and NF4 base: 1e-6 relative (1.5e-7). Sums in another order.
* bfloat16: 1e-3 (3.4e-4). Fused kernels round at other places than the layers they replace.

The ways of batching are compared on the 16-bit base: on a CPU, bitsandbytes chooses its code by the shape of
a batch, and NF4 losses of padded and padding-free batches have differed by 4e-4 for that reason alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft.engine import engine
from medft.engine.base import LoadSpec
from tests.engine import scenarios
from tests.engine.conftest import FAMILIES, Twins
from tests.support import sft

Section = Callable[[str], Any]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["16bit", "nf4"])
def test_losses_in_float32(unsloth: Section, plain: Callable[..., Any], family: str, kind: str) -> None:
    theirs, ours = unsloth("fused")[f"{family}-{kind}"], plain(family, kind == "nf4", "float32")
    assert theirs["fused"]
    assert theirs["autocast"] == ours["autocast"] == [False, False]
    assert theirs["fresh_adapter"] == ours["fresh_adapter"]
    assert theirs["losses"] == pytest.approx(ours["losses"], rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["16bit", "nf4"])
def test_losses_in_bfloat16(unsloth: Section, plain: Callable[..., Any], family: str, kind: str) -> None:
    theirs, ours = unsloth("runs")[f"{family}-{kind}"], plain(family, kind == "nf4", "bfloat16")
    assert theirs["linear4bit"] == ours["linear4bit"]
    assert theirs["fresh_adapter"] == ours["fresh_adapter"]
    assert ours["trainable_types"] == ["torch.float32"]
    assert not ours["tokenizer_changed"]
    assert theirs["losses"] == pytest.approx(ours["losses"], rel=1e-3)


@pytest.fixture(scope="module", params=["unsloth", "transformers"])
def batchings(
    request: pytest.FixtureRequest,
    unsloth: Section,
    twins: Twins,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """What each engine made of every way to batch the same rows."""
    if request.param == "unsloth":
        return unsloth("batchings")
    spec = LoadSpec(twins("mistral").bits16, "float32", False, 256)
    return scenarios.batchings(engine("transformers"), spec, tmp_path_factory.mktemp("batchings"))


@pytest.mark.parametrize("name", scenarios.BATCHINGS)
def test_first_batch_holds_exactly_the_given_labels(batchings: Any, name: str) -> None:
    given = [row["labels"] for row in scenarios.ROWS]
    rows = int(scenarios.BATCHINGS[name]["per_device_batch_size"])
    if name in ("padding_free", "packed", "leaking"):
        expected = [[label for row in given[:4] for label in row]]
    else:
        longest = max(map(len, given[:rows]))
        expected = [row + [-100] * (longest - len(row)) for row in given[:rows]]
    assert batchings[name]["labels"] == expected


@pytest.mark.parametrize(
    ("name", "reference"), [("1x4", "4x1"), ("1x8", "8x1"), ("padding_free", "4x1"), ("packed", "4x1")]
)
def test_losses_do_not_depend_on_how_rows_are_batched(batchings: Any, name: str, reference: str) -> None:
    assert batchings[name]["losses"] == pytest.approx(batchings[reference]["losses"], rel=1e-5)


def test_a_last_partial_window_is_a_step_of_its_own(batchings: Any) -> None:
    assert len(batchings["1x8"]["losses"]) == len(batchings["8x1"]["losses"]) == 2


def test_a_leak_would_show(batchings: Any) -> None:
    assert batchings["leaking"]["losses"] != pytest.approx(batchings["4x1"]["losses"], rel=1e-3)


def test_bits_per_byte_are_known_in_every_batching(batchings: Any) -> None:
    assert all(batchings[name]["bits_known"] for name in scenarios.BATCHINGS)


def test_unsloth_needs_to_be_told_where_examples_end(unsloth: Section) -> None:
    found = unsloth("isolation")
    assert found["untold"] > 0.8
    assert found["told"] < 1e-3


def test_a_model_that_cannot_isolate_is_refused(twins: Twins, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, MambaConfig, MambaForCausalLM

    from medft.errors import EngineError

    tokenizer = AutoTokenizer.from_pretrained(twins("mistral").bits16)
    recurrent = MambaForCausalLM(
        MambaConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, state_size=4)
    )
    trainer = sft.trainer(recurrent, tokenizer, scenarios.ROWS, tmp_path, padding_free=True)
    with pytest.raises(EngineError, match="attend to one another"):
        engine("transformers").separate_examples(trainer)
    padded = sft.trainer(recurrent, tokenizer, scenarios.ROWS, tmp_path)
    engine("transformers").separate_examples(padded)
