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
     ("NVIDIA L4", 121e12), ("NVIDIA H100 PCIe", 756e12), ("GeForce GT 710", None)],
)  # fmt: skip
def test_peaks_by_name(gpu: str, peak: float | None) -> None:
    assert peak_flops(gpu, "bfloat16") == peak
    assert peak_flops(gpu, "float32") is None


def test_utilisation() -> None:
    assert utilisation(1000, 28e9, 65e12) == pytest.approx(0.4308, abs=1e-4)
    assert utilisation(1000, 28e9, None) is None
