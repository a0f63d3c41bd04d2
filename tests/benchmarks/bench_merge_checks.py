"""What the check of merged weights finds: good merges of every kind, and every planted fault.

    python -m tests.benchmarks.bench_merge_checks [--only families|faults]

Families: tiny twins of the four families, trained some steps by both engines on 16-bit and on 4-bit bases,
merged by medft, beside Unsloth's own merged save or peft's merge_and_unload of the same adapter. Unsloth runs
on the CPU, as in the tests of the engines.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from medft.errors import MergeError
from medft.merge.check import check_tensors
from medft.merge.checkpoint import Checkpoint
from medft.merge.inputs import Inputs
from medft.merge.logits import Questions, compare
from medft.merge.sidecar_check import check_sidecars
from medft.merge.verify import TOLERANCE, examine
from medft.models.tiny import Twin, twin
from tests.merge import small
from tests.merge.faults import FILES, LONG, ONE_STEP, STOPS, WEIGHTS, Fault, Merged, merged

FAMILIES = ("gemma", "llama2", "mistral", "llama3_1")
ROOT = Path(__file__).resolve().parents[2]


def families(folder: Path) -> None:
    """Four families, two engines, two kinds of base."""
    twins = {family: twin(family, folder / "twins") for family in FAMILIES}
    print(
        f"\n{'':10}{'engine':13}{'base':6} {'equal to':9}{'weights':>9}{'written':>9}{'16-bit':>8}"
        f"{'4-bit':>8}{'top-1':>7}{'KL':>9}  loss on held-out rows: base, adapted, merged, 4-bit"
    )
    for engine, trained in (("transformers", _plain(twins, folder)), ("unsloth", _unsloth(twins, folder))):
        for family, kind, adapter, theirs in trained:
            bases = twins[family]
            ours = folder / "merged"
            small.write_merge(bases.bits16, adapter, ours)
            inputs = Inputs(bases.bits16, adapter, trained_on=bases.nf4)
            found = examine(inputs, ours, _questions()).logits
            assert found.quantised is not None
            reference = {"transformers": "peft", "unsloth": "Unsloth"}[engine]
            print(
                f"{family:10}{engine:13}{kind:6} {reference:9}{_equal(ours, theirs):>9}"
                f"{found.written.relative:9.4f}{found.rounding.relative:8.1%}{found.quantised.relative:8.1%}"
                f"{found.rounding.top1_agreement:7.1%}{found.rounding.kl:9.1e}  "
                + ", ".join(f"{loss:.4f}" for loss in found.heldout_loss.values())
            )
            shutil.rmtree(ours)


def _plain(twins: dict[str, Twin], folder: Path) -> Iterator[tuple[str, str, Path, Path]]:
    """(family, kind, adapter, peft's merge) of the transformers engine."""
    from medft.engine import engine
    from medft.engine.base import LoadSpec
    from tests.engine import scenarios

    for family, bases in twins.items():
        for kind, path in (("16bit", bases.bits16), ("nf4", bases.nf4)):
            out = folder / f"{family}-{kind}"
            spec = LoadSpec(path, "bfloat16", kind == "nf4", 256)
            with _quiet():
                scenarios.short_run(engine("transformers"), spec, out)
                theirs = small.peft_merge(bases.bits16, out / "adapter", out / "merged")
            yield family, kind, out / "adapter", theirs


def _unsloth(twins: dict[str, Twin], folder: Path) -> Iterator[tuple[str, str, Path, Path]]:
    """(family, kind, adapter, Unsloth's merged save), made in a process of its own."""
    out = folder / "unsloth"
    out.mkdir()
    root = str(next(iter(twins.values())).root.parent)
    command = [sys.executable, "-m", "tests.engine.unsloth_worker", root, str(out), "runs"]
    environment = os.environ | {"XDG_CACHE_HOME": str(out / "cache")}
    with (out / "log.txt").open("w") as log:
        subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=True)
    failed = json.loads((out / "runs.json").read_text()).get("failed")
    if failed:
        raise SystemExit(failed)
    for family in FAMILIES:
        for kind in ("16bit", "nf4"):
            yield family, kind, out / f"{family}-{kind}" / "adapter", out / f"{family}-{kind}" / "merged"


def _questions() -> Questions:
    from tests.support import sft

    rows = sft.rows(16, seed=1)
    prompts = [row["input_ids"][: len(row["input_ids"]) // 3] for row in rows]
    return Questions(prompts, [(row["input_ids"], row["labels"]) for row in rows])


def _equal(ours: Path, theirs: Path) -> str:
    """How many of our weights hold the same bits in theirs; the tied copy that Unsloth saves is not ours."""
    import torch

    one, other = Checkpoint(ours), Checkpoint(theirs)
    same = sum(
        name in other.entries and torch.equal(one.read(name), other.read(name)) for name in one.entries
    )
    return f"{same}/{len(one.entries)}"


def faults(folder: Path) -> None:
    """Every planted fault, after a long run and after one step."""
    print(f"\n{'fault':37}{'long run':>9}{'one step':>9}   what is said of it")
    base = folder / "base"
    model = small.small_model("llama3_1")
    model.save_pretrained(base)
    (base / "generation_config.json").write_text(json.dumps({"eos_token_id": list(STOPS)}))
    small.save_tokenizer(base)
    for fault in [*WEIGHTS, *FILES]:
        cells, said = [], ""
        for size in (LONG, ONE_STEP):
            with tempfile.TemporaryDirectory(dir=folder) as name:
                adapter = small.make_adapter(small.small_model("llama3_1"), Path(name) / "adapter", size=size)
                given = merged(base, adapter, Path(name) / "out")
                fault.plant(given)
                said = _said(given)
                cells.append(_distance(given, fault) if said else "MISSED")
        print(f"{fault.name:37}{cells[0]:>9}{cells[1]:>9}   {said}")
    print(f"figures: distance of the logits from peft's merge, of at most {TOLERANCE}; good ones have 0")


def _said(given: Merged) -> str:
    try:
        check_sidecars(given.inputs, given.out)
        check_tensors(given.inputs, given.out)
    except MergeError as error:
        return error.what
    return ""


def _distance(given: Merged, fault: Fault) -> str:
    """The distance of the answers, of weights that can be loaded and are not the same numbers."""
    if fault in FILES or "lost" in fault.name or "cut off" in fault.name:
        return "caught"
    try:
        with _quiet():
            prompts = Questions([[1, *range(10, 30)], [1, 50, 51, 52]], [])
            found = compare(given.inputs, given.out, prompts).written.relative
    except Exception:
        return "caught"
    return f"{found:.3g}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def main() -> None:
    """Measure, show."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--only", choices=["families", "faults"])
    only = options.parse_args().only
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    logging.disable()
    with tempfile.TemporaryDirectory() as name:
        for part in (families, faults):
            if only in (None, part.__name__):
                part(Path(name))


if __name__ == "__main__":
    main()
