"""Model FLOPs and their share of a GPU's peak, against counts of other hands."""

from __future__ import annotations

import pytest

from medft.compose import settings
from medft.models.registry import parameters
from medft.plan.flops import flops_per_token, peak_flops, utilisation


def test_a_frozen_base_costs_two_thirds_of_full_training() -> None:
    shape = settings("train", ["model=mistral"]).model.shape
    found = flops_per_token(shape, adapter=0, attended=0)
    looked_up = 32000 * 4096
    assert found == 4 * (parameters(shape) - looked_up)
    assert flops_per_token(shape, adapter=10, attended=0) == found + 60
    assert flops_per_token(shape, adapter=0, attended=512) - found == 12 * 32 * 4096 * 512
    gemma = settings("train", ["model=gemma"]).model.shape
    assert flops_per_token(gemma, 0, 0) == 4 * parameters(gemma), "a tied embedding multiplies once"


@pytest.mark.parametrize(
    ("gpu", "peak"),
    [("Tesla T4", 65e12), ("NVIDIA H200", 989e12), ("NVIDIA A100-SXM4-40GB", 312e12), ("NVIDIA L40S", 362e12),
     ("NVIDIA L4", 121e12), ("NVIDIA H100 PCIe", 756e12), ("GeForce GT 710", None),
     ("NVIDIA L40", 181e12), ("NVIDIA T400 4GB", None), ("NVIDIA RTX A1000", None), ("NVIDIA A10", 125e12),
     ("NVIDIA RTX A6000", 155e12), ("NVIDIA A30", 165e12), ("NVIDIA GH200 480GB", 989e12),
     ("NVIDIA H100 80GB HBM3", 989e12), ("NVIDIA B200", 2250e12), ("NVIDIA GB200", 2500e12),
     ("NVIDIA RTX 6000 Ada Generation", 364e12), ("NVIDIA GeForce RTX 5090", 210e12),
     ("NVIDIA GeForce RTX 4080", 97e12), ("NVIDIA GeForce RTX 4080 SUPER", 104e12),
     ("NVIDIA GeForce RTX 4070 Ti SUPER", 88e12), ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
     ("NVIDIA GeForce RTX 4090 D", None), ("NVIDIA GeForce RTX 3060", 25e12),
     ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 504e12), ("Tesla V100-PCIE-16GB", 112e12),
     ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", 312e12 * 3 / 7), ("NVIDIA A30 MIG 1g.6gb", 165e12 / 4)],
)  # fmt: skip
def test_peaks_by_name(gpu: str, peak: float | None) -> None:
    assert peak_flops(gpu, "bfloat16") == (peak and pytest.approx(peak))


def test_float32_is_known_of_the_cards_that_need_it() -> None:
    assert peak_flops("Tesla T4", "float32") == 8.1e12
    assert peak_flops("Tesla V100-PCIE-16GB", "float32") == 14e12
    assert peak_flops("NVIDIA A100-SXM4-80GB", "float32") is None


def test_utilisation() -> None:
    assert utilisation(1000, 28e9, 65e12) == pytest.approx(0.4308, abs=1e-4)
    assert utilisation(1000, 28e9, None) is None
