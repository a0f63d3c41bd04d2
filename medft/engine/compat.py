"""Workarounds for library versions, each with the version that lets it go; the versions that were tested; and
the environment that keeps libraries private."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from medft.models.causal_lm import AdaptedLM, CausalLM

# The versions that the test suite has run with. pyproject.toml pins inside this window.
TESTED = {
    "torch": ">=2.10,<2.12",
    "triton": ">=3.6,<3.7",
    "unsloth": "==2026.10.7",
    "unsloth_zoo": "==2026.10.7",
    "trl": "==1.14.2",
    "transformers": ">=5.17,<5.18",
    "peft": ">=0.21,<0.22",
    "accelerate": ">=1.15,<1.16",
    "bitsandbytes": ">=0.50.2,<0.51",
    "datasets": ">=4.8,<4.9",
    "numpy": "<2.4",
}


def outside_tested(versions: dict[str, str] | None = None) -> list[str]:
    """One line per package whose version the tests have not run with; empty when all have.

    Args:
        versions: package -> version; None asks for the installed ones.
    """
    from packaging.specifiers import SpecifierSet

    found = installed() if versions is None else versions
    return [
        f"{name} {found[name] or 'is not installed'}, tested with {window}"
        for name, window in TESTED.items()
        if name in found and not (found[name] and found[name].split("+")[0] in SpecifierSet(window))
    ]


def installed() -> dict[str, str]:
    """Package -> installed version ("" when absent), of the packages in ``TESTED``."""
    return {name: _version(name) for name in TESTED}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def private_environment() -> None:
    """Keep libraries from phoning home. No expiry: it is our promise, not their defect."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["UNSLOTH_DISABLE_STATISTICS"] = "1"  # its mere presence counts


def cache_compiled_unsloth() -> None:
    """Put the trainer code that Unsloth generates into the user's cache.

    Unsloth 2026.10 leaves a folder ``unsloth_compiled_cache`` in the working directory otherwise. Goes when
    its default is a cache folder.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("UNSLOTH_COMPILE_LOCATION", str(cache / "medft" / "unsloth_compiled"))


def keep_adapter_float32(model: AdaptedLM) -> None:
    """Keep TRL from rounding a QLoRA adapter to bfloat16.

    TRL 1.14's SFTTrainer casts every trainable tensor of a model that says ``is_loaded_in_4bit`` to bfloat16
    (8 bits of mantissa: Adam's updates of a 2e-4 learning rate round away, and a float16 GradScaler fails).
    Unsloth takes that cast out; this hides the flag on the PEFT wrapper only, so that both engines train in
    float32. Goes when SFTTrainer leaves the adapter's type alone.
    """
    model.is_loaded_in_4bit = False  # type: ignore[attr-defined]


def keep_cpu_weights(model: CausalLM) -> None:
    """Keep bitsandbytes from changing the frozen 4-bit base on a CPU.

    Where a CPU has AVX512-BF16, bitsandbytes 0.50's Linear4bit repacks its weight at the first evaluation,
    with block scales rounded to bfloat16: the base changes in the middle of a run, and a resumed run,
    which begins without an evaluation, goes on with another base. Goes when packing keeps the scales.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]


def compute_logits_once() -> None:
    """Put medft's cross-entropy in the place of TRL's chunked one.

    TRL 1.14 multiplies by the output layer three times where two suffice, and takes figures from the logits
    that medft does not show: on a CPU an eighth of a small model's step. Goes when its chunked loss does
    neither.
    """
    from trl.trainer import sft_trainer

    from medft.engine.linear_loss import chunked_cross_entropy

    sft_trainer._chunked_cross_entropy_loss = chunked_cross_entropy


def unnumber_cpu() -> None:
    """Let several processes on a CPU resume a run.

    accelerate 1.15 calls their device "cpu:0", transformers 5.17 loads the optimizer's states of a checkpoint
    to that name, and torch 2.10 knows no such place. Goes when one of the three changes.
    """
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"


def keep_float32(model: AdaptedLM) -> None:
    """Keep Unsloth from autocasting a float32 model to bfloat16.

    Where a GPU has bfloat16, Unsloth 2026.10's trainer reads ``bf16=False, fp16=False`` as "choose for me",
    also when float32 was asked for. The mark that it sets itself on families that cannot work in 16 bits says
    otherwise. Goes when the two flags are taken at their word.
    """
    model._unsloth_forced_float32 = True  # type: ignore[attr-defined]
