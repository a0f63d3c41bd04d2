"""A base in shares is refused where it is whole, or where what is gathered is not what its file holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import distributed
from torch.distributed.fsdp._fully_shard._fsdp_param import FSDPParam

from medft.engine import engine, sharding
from medft.engine.base import LoadSpec, LoraConfig
from medft.errors import EngineError
from medft.models.causal_lm import AdaptedLM
from medft.models.tiny import Twin
from tests.engine import scenarios


@pytest.fixture
def group() -> Iterator[None]:
    """A process group of one."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def load(folder: Path, in_4bit: bool, sharded: bool = True) -> AdaptedLM:
    spec = LoadSpec(folder, "float32", in_4bit, 64, sharded=sharded)
    return engine("transformers").load_for_training(spec, LoraConfig(r=4), scenarios.tokenizer_of(folder), 7)


def loss(model: AdaptedLM) -> torch.Tensor:
    ids = torch.randint(5, 200, (2, 24), generator=torch.Generator().manual_seed(1))
    found: torch.Tensor = model(input_ids=ids, labels=ids).loss  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize(("family", "stored"), [("mistral", True), ("gemma", False)])
def test_a_packed_base_is_computed_from_its_shares(
    group: None, twins: Callable[[str], Twin], family: str, stored: bool
) -> None:
    folder = twins(family).nf4 if stored else twins(family).bits16  # gemma's output layer is its embedding
    model, whole = load(folder, True), load(folder, True, sharded=False)
    assert loss(model).item() == loss(whole).item()
    found = sharding.shares(model)
    assert found is not None and sharding.shares(whole) is None
    assert found.bytes_held == (found.bytes_whole,) and found.packed == 14
    parameters = dict(model.named_parameters()), dict(whole.named_parameters())  # type: ignore[attr-defined]
    assert all(torch.equal(tensor, parameters[1][name]) for name, tensor in sharding.whole(model).items())
    assert found.bytes_whole == sum(tensor.nbytes for tensor in parameters[1].values())


def test_a_base_that_stayed_whole_is_refused(
    group: None, twins: Callable[[str], Twin], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.distributed.fsdp.fully_shard", lambda part, mesh: part)  # as DDP would have it
    with pytest.raises(EngineError, match="every process holds the whole of"):
        load(twins("mistral").bits16, in_4bit=False)


def test_a_device_whose_copies_change_packed_weights_is_refused(
    group: None, twins: Callable[[str], Twin], monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered = FSDPParam.init_unsharded_param

    def rewritten(self: FSDPParam) -> None:
        """What a GPU's copies do to patterns of NaN in 16-bit types, done to float32."""
        for tensor in self.all_gather_outputs:
            tensor[tensor.isnan()] = torch.nan
        gathered(self)

    monkeypatch.setattr(FSDPParam, "init_unsharded_param", rewritten)
    with pytest.raises(EngineError, match=r"\d+ of 14 4-bit tensors are not those of the base") as refused:
        load(twins("mistral").nf4, in_4bit=True)
    assert "UNSLOTH_FSDP2" in refused.value.remedy
