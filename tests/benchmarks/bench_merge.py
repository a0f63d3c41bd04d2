"""Wall time and peak memory of the streaming merge, beside peft's merge and a plain copy of the same bytes.

    python -m tests.benchmarks.bench_merge [--layers 22] [--rounds 3] [--folder DIR]

Builds a random model of TinyLlama's shape (1.1 billion weights, bfloat16, several shards), merges it in fresh
processes, one contender after the other in every round, and compares the bytes that come out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from medft.merge.checkpoint import Checkpoint, Spec
from medft.merge.inputs import Inputs
from medft.merge.rounding import MergingConfig
from medft.merge.shards import plan_shards, write_index, write_shard
from medft.merge.stream import write

SHAPE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "vocab_size": 32000,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
    "dtype": "bfloat16",
}
SHARD = 500_000_000
RANK = 16


def projections() -> dict[str, tuple[int, int]]:
    """Module of a layer -> (out, in)."""
    hidden, inner, keys = 2048, 5632, 4 * 64
    attention = {"q": (hidden, hidden), "k": (keys, hidden), "v": (keys, hidden), "o": (hidden, hidden)}
    mlp = {"gate": (inner, hidden), "up": (inner, hidden), "down": (hidden, inner)}
    return {f"self_attn.{name}_proj": size for name, size in attention.items()} | {
        f"mlp.{name}_proj": size for name, size in mlp.items()
    }


def build_base(folder: Path, layers: int) -> None:
    """Random weights in the layout of the hub."""
    import torch

    sizes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (32000, 2048)}
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        sizes |= {f"{prefix}.{module}.weight": size for module, size in projections().items()}
        sizes |= {f"{prefix}.{norm}_layernorm.weight": (2048,) for norm in ("input", "post_attention")}
    sizes |= {"model.norm.weight": (2048,), "lm_head.weight": (32000, 2048)}
    shards = plan_shards([Spec(name, "bfloat16", size) for name, size in sizes.items()], SHARD)

    def tensors(shard: Sequence[Spec]) -> Iterator[torch.Tensor]:
        for spec in shard:
            yield torch.empty(spec.shape, dtype=torch.bfloat16).normal_(std=0.02)

    folder.mkdir()
    for file, shard in shards.items():
        write_shard(folder / file, shard, tensors(shard))
    write_index(folder, shards)
    (folder / "config.json").write_text(json.dumps(SHAPE | {"num_hidden_layers": layers}))


def build_adapter(folder: Path, layers: int) -> None:
    """A random LoRA adapter on the seven projections, and a token of a tokenizer."""
    import torch
    from safetensors.torch import save_file

    tensors = {}
    for layer in range(layers):
        for module, (rows, columns) in projections().items():
            key = f"base_model.model.model.layers.{layer}.{module}"
            tensors[f"{key}.lora_A.weight"] = torch.randn(RANK, columns) * 0.01
            tensors[f"{key}.lora_B.weight"] = torch.randn(rows, RANK) * 0.01
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    targets = [module.split(".")[1] for module in projections()]
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": RANK}
    (folder / "adapter_config.json").write_text(json.dumps(config | {"target_modules": targets}))
    (folder / "tokenizer_config.json").write_text("{}")


def ours(base: Path, adapter: Path, out: Path) -> None:
    """The streaming merge."""
    out.mkdir()
    write(Inputs(base, adapter), out, SHARD)


def nearest(base: Path, adapter: Path, out: Path) -> None:
    """The streaming merge, rounded to nearest as peft's is."""
    out.mkdir()
    write(Inputs(base, adapter, merging=MergingConfig(rounding="nearest")), out, SHARD)


def peft(base: Path, adapter: Path, out: Path) -> None:
    """peft's merge_and_unload, then save_pretrained."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype="bfloat16")
    PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(out, max_shard_size=SHARD)


def copy(base: Path, adapter: Path, out: Path) -> None:
    """The least there is to do: the same bytes from one folder to another, on the disk at the end."""
    shutil.copytree(base, out)
    for file in out.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


CONTENDERS: dict[str, Callable[[Path, Path, Path], None]] = {
    "copy": copy,
    "nearest": nearest,
    "ours": ours,
    "peft": peft,
}


def child(name: str, base: str, adapter: str, out: str) -> None:
    """One contender in a process of its own; imports are not counted, reading and writing are."""
    import torch  # noqa: F401

    if name == "peft":
        import peft  # noqa: F401
        import transformers.models.llama.modeling_llama  # noqa: F401
    idle = peak_mb()
    started, cpu_started = time.monotonic(), time.process_time()
    CONTENDERS[name](Path(base), Path(adapter), Path(out))
    seconds = time.monotonic() - started
    cpu = time.process_time() - cpu_started
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak_mb(), "idle_mb": idle}))


def peak_mb() -> float:
    """Largest resident memory of this process so far (getrusage would count its parent's, too)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(name: str, base: Path, adapter: Path, out: Path) -> dict[str, float]:
    """One run; the folder is emptied first."""
    shutil.rmtree(out, ignore_errors=True)
    os.sync()
    command = [sys.executable, "-m", __spec__.name, "child", name, str(base), str(adapter), str(out)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def same(left: Path, right: Path) -> bool:
    """Whether two folders hold the same tensors, bit for bit."""
    import torch

    one, other = Checkpoint(left), Checkpoint(right)
    return one.entries.keys() == other.entries.keys() and all(
        torch.equal(one.read(name), other.read(name)) for name in one.entries
    )


def compare(folder: Path, layers: int, rounds: int, names: list[str]) -> dict[str, list[dict[str, float]]]:
    """Every contender in every round."""
    base, adapter = folder / f"base{layers}", folder / f"adapter{layers}"
    build_base(base, layers)
    build_adapter(adapter, layers)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            runs[name].append(measure(name, base, adapter, folder / name))
    return runs


def show(title: str, runs: dict[str, list[dict[str, float]]]) -> None:
    """A small table; the ratio is the median over rounds, to ours of the same round."""
    print(f"\n{title}")
    heads = (
        f"{'median s':>10}{'min s':>8}{'max s':>8}{'CPU s':>8}{'x ours':>8}{'peak MB':>9}{'over idle':>11}"
    )
    print(f"{'':8}{heads}")
    for name, rows in runs.items():
        seconds = [row["seconds"] for row in rows]
        ratio = statistics.median(
            a["seconds"] / b["seconds"] for a, b in zip(rows, runs["ours"], strict=True)
        )
        peak, over = (max(f(row) for row in rows) for f in (lambda r: r["peak_mb"], _over_idle))
        times = f"{statistics.median(seconds):10.2f}{min(seconds):8.2f}{max(seconds):8.2f}"
        times += f"{statistics.median(row['cpu'] for row in rows):8.2f}"
        print(f"{name:8}{times}{ratio:8.2f}{peak:9.0f}{over:11.0f}")


def _over_idle(row: dict[str, Any]) -> float:
    return float(row["peak_mb"] - row["idle_mb"])


def main() -> None:
    """Build, measure, show."""
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
        return
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--layers", type=int, default=22)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        runs = compare(folder, given.layers, given.rounds, list(CONTENDERS))
        show(f"{given.layers} layers", runs)
        print(f"same tensors as peft: {same(folder / 'nearest', folder / 'peft')}")
        half = given.layers // 2
        show(f"{half} layers: the peak does not grow with the model", compare(folder, half, 1, ["ours"]))


if __name__ == "__main__":
    main()
