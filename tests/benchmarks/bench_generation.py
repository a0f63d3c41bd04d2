"""Items per second of generation, in batches and one by one.

Run: python -m tests.benchmarks.bench_generation
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from medft.data.record import Message
from medft.engine.base import LoadSpec, engine
from medft.inference.generation import Sampling
from medft.inference.session import BASE, Session
from medft.models import tokenizer as tokenizers
from medft.models.tiny import twin
from medft.paths import samples_dir

ITEMS = 96


def main(artifacts: Path = Path("artifacts")) -> None:
    """Time both ways on the NF4 twin and check that the answers agree (in float32; bfloat16 rounds a batch
    otherwise, which now and then tips a near tie)."""
    session = _session(artifacts)
    lines = (samples_dir() / "medical_qa.jsonl").read_text(encoding="utf-8").splitlines()[:ITEMS]
    asked = [[Message("user", json.loads(line)["question"])] for line in lines]
    sampling = Sampling(max_new_tokens=48)
    prompts = [session.prompt(messages, sampling.max_new_tokens) for messages in asked]
    session.replies(BASE, prompts[:4], sampling)  # warm
    started = time.perf_counter()
    together = session.replies(BASE, prompts, sampling)
    batched = time.perf_counter() - started
    started = time.perf_counter()
    alone = [session.replies(BASE, [prompt], sampling)[0] for prompt in prompts]
    single = time.perf_counter() - started
    same = sum(a == b for a, b in zip(together, alone, strict=True))
    speeds = f"batched {ITEMS / batched:.1f} items/s, one by one {ITEMS / single:.1f} items/s"
    print(f"{speeds}: {single / batched:.1f} times as fast")
    print(f"{same} of {ITEMS} answers are the same")


def _session(artifacts: Path) -> Session:
    folder = twin("mistral", artifacts / "tiny").nf4
    code = engine("transformers")
    code.activate()
    tokenizer = tokenizers.load(folder)
    model = code.load_for_generation(LoadSpec(folder, "float32", True, 1024), None)
    return Session(model, tokenizer, tokenizers.stop_ids(tokenizer, folder), 1024)


if __name__ == "__main__":
    main()
