"""The child process in which medft's unsloth engine runs on the CPU.

``python -m tests.engine.unsloth_worker TWINS OUT [SECTION ...]``: TWINS is the folder of the tiny twins;
every section below, or those named, writes ``OUT/<section>.json``. One process, because importing Unsloth
takes as long as the rest.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from medft.engine import engine
from medft.engine.base import Engine, LoadSpec, LoraConfig
from medft.models.folder import window as stored_window
from medft.models.tiny import Twin, twin
from tests.engine import scenarios
from tests.engine.conftest import FAMILIES
from tests.support import sft, unsloth_kernels, unsloth_on_cpu
from tests.support.asked import asked

Twins = dict[str, Twin]


def main(root: Path, out: Path, *names: str) -> None:
    """Run every section, or those called ``names``; one that fails leaves its traceback for the tests that
    need it."""
    unsloth = engine("unsloth")
    with unsloth_on_cpu.on_cpu():
        unsloth.activate()
    twins = {family: twin(family, root) for family in FAMILIES}
    sections: list[Callable[[Engine, Twins, Path], Any]] = [
        runs,
        fused,
        batchings,
        isolation,
        generation,
        window,
        masked,
        answering,
        kernels,
        triton,
    ]
    for section in (section for section in sections if section.__name__ in names or not names):
        started = time.monotonic()
        try:
            found = {"found": section(unsloth, twins, out)}
        except Exception:
            found = {"failed": traceback.format_exc()}
        found["seconds"] = round(time.monotonic() - started, 1)
        (out / f"{section.__name__}.json").write_text(json.dumps(found))


def runs(unsloth: Engine, twins: Twins, out: Path) -> dict[str, Any]:
    """All combinations as on a GPU: bfloat16, fused kernels, Unsloth's checkpointing, its own merge."""
    found = {}
    for name, path, sixteen in _combinations(twins):
        spec = LoadSpec(path, "bfloat16", path != sixteen, 256, "unsloth")
        found[name] = scenarios.short_run(unsloth, spec, out / name)
        _merge(spec, out / name, sixteen)
    return found


def _combinations(twins: Twins) -> Iterator[tuple[str, Path, Path]]:
    """(name, base to train, its 16-bit version) of the families, 16-bit and NF4."""
    for family, one in twins.items():
        yield f"{family}-16bit", one.bits16, one.bits16
        yield f"{family}-nf4", one.nf4, one.bits16


def _merge(spec: LoadSpec, folder: Path, sixteen: Path) -> None:
    """Unsloth's own merged save: into the 16-bit weights, which it looks for under the model's name."""
    from unsloth import FastLanguageModel

    model, tokenizer = FastLanguageModel.from_pretrained(
        str(folder / "adapter"), max_seq_length=256, load_in_4bit=spec.load_in_4bit, local_files_only=True
    )
    model.config._name_or_path = str(sixteen)
    model.save_pretrained_merged(str(folder / "merged"), tokenizer, save_method="merged_16bit")


def fused(unsloth: Engine, twins: Twins, out: Path) -> dict[str, Any]:
    """All in float32 with the fused kernels: their mathematics without 16-bit rounding."""
    found = {}
    with fused_in_float32():
        for name, path, sixteen in _combinations(twins):
            spec = LoadSpec(path, "float32", path != sixteen, 256)
            found[name] = scenarios.short_run(unsloth, spec, out / f"{name}-float32")
    return found


@contextlib.contextmanager
def fused_in_float32() -> Iterator[None]:
    """Unsloth leaves its fused kernels out for float32 weights; let it take them for 16-bit ones."""
    import torch
    from unsloth.models import llama

    original = llama._base_weight_dtype
    llama._base_weight_dtype = lambda _: torch.bfloat16
    try:
        yield
    finally:
        llama._base_weight_dtype = original


def batchings(unsloth: Engine, twins: Twins, out: Path) -> dict[str, Any]:
    """Padded, accumulated, padding-free, packed: one family."""
    spec = LoadSpec(twins["mistral"].bits16, "float32", False, 64)  # joined rows are longer
    return scenarios.batchings(unsloth, spec, out / "batchings")


def isolation(unsloth: Engine, twins: Twins, out: Path) -> dict[str, float]:
    """How far an example's logits depend on the one before it: untold of lengths, and told."""
    from medft.engine.isolation import leak

    spec = LoadSpec(twins["mistral"].bits16, "float32", False, 256)
    tokenizer = scenarios.tokenizer_of(spec.path)
    model = unsloth.load_for_training(spec, LoraConfig(), tokenizer, scenarios.SEED)
    trainer = sft.trainer(model, tokenizer, scenarios.ROWS, out / "isolation", padding_free=True)
    untold = leak(trainer.model, trainer.data_collator, scenarios.ROWS[0])
    unsloth.separate_examples(trainer)
    return {"untold": untold, "told": leak(trainer.model, trainer.data_collator, scenarios.ROWS[0])}


def generation(unsloth: Engine, twins: Twins, out: Path) -> dict[str, Any]:
    """Unsloth's inference path with adapters that ``runs`` saved."""
    found = {}
    for name, path, sixteen in _combinations({family: twins[family] for family in ("mistral", "gemma")}):
        spec = LoadSpec(path, "float32", path != sixteen, 256)
        found[name] = scenarios.generation(unsloth, spec, out / name / "adapter")
    return found


def window(unsloth: Engine, twins: Twins, out: Path) -> dict[str, Any]:
    """The logits of the same tokens where all of the base's window is asked for, and where twice that is."""
    import torch

    found: dict[str, Any] = {}
    for family in twins:
        longest = stored_window(twins[family].bits16) or 0
        logits = []
        for asked_for in (longest, 2 * longest):
            spec = LoadSpec(twins[family].bits16, "float32", False, asked_for)
            model: Any = unsloth.load_for_generation(spec, None)
            with torch.no_grad():
                logits.append(model(input_ids=torch.arange(5, 45)[None], use_cache=False).logits)
        found[family] = {
            "difference": float((logits[0] - logits[1]).abs().max()),
            "window": [longest, model.config.max_position_embeddings],
        }
    return found


def masked(unsloth: Engine, twins: Twins, out: Path) -> tuple[str, int]:
    """A training on nothing."""
    spec = LoadSpec(twins["mistral"].bits16, "float32", False, 64)
    return scenarios.masked(unsloth, spec, out / "masked")


def answering(unsloth: Engine, twins: Twins, out: Path) -> dict[str, Any]:
    """Sessions as evaluation and chat hold them: batches, likelihoods, streaming, adapters switched."""
    spec = LoadSpec(twins["mistral"].nf4, "float32", True, 256)
    return asked(unsloth, spec, {kind: out / f"mistral-{kind}" / "adapter" for kind in ("nf4", "16bit")})


def kernels(_: Engine, __: Twins, ___: Path) -> dict[str, float]:
    """Largest difference of each torch stand-in to the interpreted kernel, on the same random tensors."""
    return unsloth_kernels.differences()


def triton(unsloth: Engine, twins: Twins, out: Path) -> dict[str, Any]:
    """One family with Unsloth's own Triton kernels, interpreted; and the same with the torch stand-ins."""
    found = {}
    spec = LoadSpec(twins["mistral"].nf4, "float32", True, 256)
    for kind in ("torch", "triton"):
        unsloth_kernels.use(kind)  # type: ignore[arg-type]
        with fused_in_float32():
            found[kind] = scenarios.short_run(
                unsloth, spec, out / kind, per_device_batch_size=1, gradient_accumulation_steps=1, max_steps=2
            )
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
