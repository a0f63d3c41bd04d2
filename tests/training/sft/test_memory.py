"""The formulas against published sizes, and against the tensors that autograd really keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medft.compose import settings
from medft.engine import engine, modules
from medft.engine.base import LoadSpec, LoraConfig
from medft.models.registry import ShapeConfig, lora_parameters, parameters
from medft.plan.shape import read_shape
from medft.training.memory import ADAM_BYTES, Batch, Workload, block_bytes_per_token, weight_bytes
from medft.training.sft.memory import estimate

PUBLISHED = {  # NF4 checkpoint in GB, LoRA r16 on all projections, parameters in billions
    "gemma": (5.57, 50_003_968, 8.538),
    "gemma_2b": (2.07, 19_611_648, 2.506),
    "llama2": (3.87, 39_976_960, 6.738),
    "mistral": (4.13, 41_943_040, 7.242),
    "llama3_1": (5.70, 41_943_040, 8.030),
}
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def shape(model: str) -> ShapeConfig:
    found: ShapeConfig = settings("train", [f"model={model}"]).model.shape
    return found


def work(model: str = "mistral", **changes: Any) -> Workload:
    base = Workload(
        shape=shape(model), adapter=lora_parameters(shape(model), 16, PROJECTIONS), targets=PROJECTIONS,
        dtype="bfloat16", in_4bit=True, optimizer_bits=8, checkpointing="unsloth", **of(True),
        train=Batch(2, 2048), evaluate=Batch(4, 2048),
    )  # fmt: skip
    return replace(base, **changes)


def of(unsloth: bool) -> dict[str, Any]:
    """What the engines differ in."""
    return {"fused_lora": unsloth, "chunked_by": "unsloth" if unsloth else "plain", "varlen": unsloth}


@pytest.mark.parametrize("model", PUBLISHED)
def test_sizes_of_the_published_checkpoints(model: str) -> None:
    gigabytes, adapter, billions = PUBLISHED[model]
    assert round(weight_bytes(shape(model), "bfloat16", in_4bit=True) / 1e9, 2) == gigabytes
    assert lora_parameters(shape(model), 16, PROJECTIONS) == adapter
    assert round(parameters(shape(model)) / 1e9, 3) == billions
    assert weight_bytes(shape(model), "bfloat16", in_4bit=False) == 2 * parameters(shape(model))


def test_what_stays_is_base_adapter_gradients_and_states() -> None:
    found, adapter = estimate(work(optimizer_bits=32)), 41_943_040
    assert (found.adapter, found.gradients, found.optimizer) == (4 * adapter, 4 * adapter, 8 * adapter)
    assert estimate(work()).optimizer == int(ADAM_BYTES[8] * adapter) < 2.04 * adapter
    assert estimate(work(devices=2)).gradients == 8 * adapter
    assert found.held == found.weights + 16 * adapter


def test_checkpointing_trades_memory_for_work_in_the_order_of_its_names() -> None:
    kept = [estimate(work(checkpointing=kind)).activations for kind in ("off", "standard", "unsloth")]
    assert kept[0] > 10 * kept[1] > 100 * kept[2]
    assert kept[1] == 32 * 4096 * 2 * 4096  # one block input per layer: layers x tokens x bytes x width
    assert estimate(work(checkpointing="unsloth")).host > estimate(work(checkpointing="standard")).host


@pytest.mark.parametrize("fused", [True, False])
def test_memory_grows_with_rows_and_length(fused: bool) -> None:
    small, wide = (estimate(work(train=Batch(rows, 2048), **of(fused))) for rows in (1, 4))
    assert 3.5 * small.activations < wide.activations < 4.5 * small.activations
    if not fused:  # Unsloth's chunks of logits shrink when there are four instead of one
        assert estimate(work(evaluate=Batch(8, 2048), **of(False))).validating > small.validating


def test_logits_are_never_held_whole() -> None:
    whole = 4 * 2048 * 256_000 * (2 + 3 * 4)
    for fused in (True, False):
        assert estimate(work("gemma", **of(fused), evaluate=Batch(4, 2048))).validation < whole / 4


def test_plain_attention_pays_for_its_mask_in_every_block() -> None:
    joined, padded = Batch(1, 8192), Batch(8, 1024)
    for fused, layers in ((False, 32), (True, 0)):
        found = [estimate(work(**of(fused), checkpointing="off", train=batch)).activations
                 for batch in (joined, padded)]  # fmt: skip
        assert found[0] - found[1] == layers * 2 * (8192**2 - 8 * 1024**2)


@pytest.mark.parametrize(
    ("batch", "gigabytes"),
    [
        # Unsloth reckons 16 bytes per logit: 2.1e9 is one chunk, 8.4e9 four; each takes 14 bytes per logit.
        (Batch(2, 2048), 4096 * 32_000 * 14 / 1e9),
        (Batch(8, 2048), 4096 * 32_000 * 14 / 1e9),
    ],
)
def test_unsloths_chunks_of_logits(batch: Batch, gigabytes: float) -> None:
    hidden = batch.tokens * 4096 * 2 / 1e9
    found = estimate(work(checkpointing="off", train=batch))
    largest = 4096 * 14336 * 2 / 1e9  # a projection, unpacked
    assert found.working / 1e9 == pytest.approx(gigabytes + hidden + largest)


def test_a_cpu_run_needs_no_cuda() -> None:
    found = estimate(work(on_gpu=False))
    assert found.host == 0 and found.libraries > 10**9


class TestTinyTwin:
    """The same formulas at the scale of a twin, where everything can be weighed."""

    @pytest.fixture(scope="class", params=["mistral", "gemma"])
    def base(self, twins: Any, request: pytest.FixtureRequest) -> Path:
        folder: Path = twins(request.param).nf4
        return folder

    @pytest.fixture(scope="class")
    def model(self, base: Path) -> Any:
        from transformers import AutoTokenizer

        spec = LoadSpec(base, "bfloat16", load_in_4bit=True, max_length=128)
        tokenizer = AutoTokenizer.from_pretrained(base)
        return engine("transformers").load_for_training(spec, LoraConfig(), tokenizer, seed=1)

    def test_weights(self, base: Path, model: Any) -> None:
        sizes = read_shape(base)
        assert sizes is not None
        frozen = [p for p in model.parameters() if not p.requires_grad]
        states = [p.quant_state for p in frozen if hasattr(p, "quant_state")]
        scales = sum(s.absmax.nbytes + s.state2.absmax.nbytes for s in states)
        held = sum(p.nbytes for p in {p.data_ptr(): p for p in frozen}.values()) + scales
        # A scale of the scales serves 256 blocks; the last of a small matrix serves fewer.
        assert weight_bytes(sizes, "bfloat16", in_4bit=True) == pytest.approx(held, rel=1e-3)
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        assert trained == lora_parameters(sizes, 16, PROJECTIONS)

    @pytest.fixture
    def uncast(self, model: Any) -> Iterator[None]:
        """The inputs of the adapters as medft's trainer has them under autocast."""
        modules.take_inputs_as_they_are(model)
        yield
        for module in model.modules():
            if hasattr(module, "cast_input_dtype_enabled"):
                module.cast_input_dtype_enabled = True

    @pytest.mark.parametrize("autocast", [True, False])
    @pytest.mark.parametrize("padded", [True, False])
    def test_activations(
        self, base: Path, model: Any, request: pytest.FixtureRequest, autocast: bool, padded: bool
    ) -> None:
        import torch

        sizes = read_shape(base)
        assert sizes is not None
        rows, length = 4, 128
        ids, attended = torch.randint(10, 200, (rows, length)), torch.ones(rows, length, dtype=torch.long)
        if padded:
            attended[0, 100:] = 0
        fixed = {p.untyped_storage().data_ptr() for p in model.parameters()}
        kept: dict[int, int] = {}

        def weigh(tensor: Any) -> Any:
            storage = tensor.untyped_storage()
            if tensor.numel() >= rows * length and storage.data_ptr() not in fixed:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        if autocast:
            request.getfixturevalue("uncast")
        decoder = model.get_base_model().model
        with (
            torch.autocast("cpu", torch.bfloat16, enabled=autocast),
            torch.autograd.graph.saved_tensors_hooks(weigh, lambda tensor: tensor),
        ):
            hidden = decoder(ids, attention_mask=attended, use_cache=False).last_hidden_state
        block = block_bytes_per_token(sizes, PROJECTIONS, "bfloat16", fused_lora=False, autocast=autocast)
        mask = 2 * rows * length**2 if padded else 0  # without padding, attention is causal without a mask
        # What the formula leaves out, the r numbers between A and B, is a tenth here, a thousandth elsewhere.
        block += LoraConfig().r * len(PROJECTIONS) * (2 if autocast else 4)
        expected = sizes.num_hidden_layers * (block * rows * length + mask)
        assert hidden.requires_grad
        assert sum(kept.values()) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("batch", "joined", "measured"),
    [(Batch(2, 384), False, 2.564e9), (Batch(1, 8 * 384), True, 5.166e9)],
)
def test_a_real_model_on_a_cpu_is_within_a_tenth_of_what_was_measured(
    batch: Batch, joined: bool, measured: float
) -> None:
    """SmolLM2-135M, LoRA on all projections, in bfloat16: largest resident memory of the training benchmark
    after five steps of 4 x 2 rows, and after eight of 8, of MedQuAD's lengths up to 384."""
    config = settings("train", ["model=smollm2"])
    shape = config.model.shape
    adapter = lora_parameters(shape, config.lora.r, PROJECTIONS)
    how = of(False) | {"varlen": joined}
    found = estimate(
        Workload(
            shape, adapter, PROJECTIONS, "bfloat16", in_4bit=False, optimizer_bits=32,
            checkpointing="off", **how, train=batch, evaluate=batch, on_gpu=False,
        )
    )  # fmt: skip
    assert found.training + found.libraries == pytest.approx(measured, rel=0.1)


LLAMA_70B = ShapeConfig(8192, 80, 64, 8, 128, 28_672, 128_256, tie_word_embeddings=False)
LONGEST = [  # docs.unsloth.ai, Unsloth Benchmarks: GB of the card, tokens of the longest row that it trains
    ("8B", 8, 2_972), ("8B", 12, 21_848), ("8B", 16, 40_724), ("8B", 24, 78_475), ("8B", 40, 153_977),
    ("8B", 48, 191_728), ("8B", 80, 342_733), ("70B", 48, 12_106), ("70B", 80, 89_389),
]  # fmt: skip


@pytest.mark.parametrize(("size", "card", "tokens"), LONGEST)
def test_the_longest_published_rows_fill_their_cards(size: str, card: int, tokens: int) -> None:
    sizes = LLAMA_70B if size == "70B" else shape("llama3_1")
    found = estimate(
        work(shape=sizes, adapter=lora_parameters(sizes, 32, PROJECTIONS), train=Batch(1, tokens),
             evaluate=Batch(1, 1), free=card * 2**30)
    )  # fmt: skip
    assert found.needed / 2**30 == pytest.approx(card, rel=0.1)


def test_float32_takes_no_fused_adapter_and_no_autocast() -> None:
    """Gemma on a T4: Unsloth leaves the projections to peft, and nothing is cast."""
    sizes = shape("gemma")
    kept = block_bytes_per_token(sizes, PROJECTIONS, "float32", fused_lora=False, autocast=False)
    assert kept == 561_216
    float32 = work("gemma", dtype="float32", fused_lora=False, checkpointing="off")
    assert estimate(float32).activations == sizes.num_hidden_layers * kept * 4096
