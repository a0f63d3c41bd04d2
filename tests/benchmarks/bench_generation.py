"""Items per second of generation, in batches and one by one, and how many answers are the same.

Run: python -m tests.benchmarks.bench_generation
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from medft.data.record import Message
from medft.engine import engine
from medft.engine.base import LoadSpec
from medft.inference.generation import Sampling
from medft.inference.session import BASE, Session
from medft.models import tokenizer as tokenizers
from medft.models.registry import Dtype
from medft.models.tiny import twin
from medft.paths import samples_dir

ITEMS = 96


def main(artifacts: Path = Path("artifacts")) -> None:
    """The NF4 twin, in float32 and in bfloat16, which rounds a batch otherwise than a single prompt."""
    lines = (samples_dir() / "medical_qa.jsonl").read_text(encoding="utf-8").splitlines()[:ITEMS]
    questions = [json.loads(line)["question"] for line in lines]
    dtypes: tuple[Dtype, ...] = ("float32", "bfloat16")
    for dtype in dtypes:
        print(f"{dtype}: {_measured(_session(artifacts, dtype), questions)}")


def _measured(session: Session, questions: list[str]) -> str:
    sampling = Sampling(max_new_tokens=48)
    prompts = [session.prompt([Message("user", question)], sampling.max_new_tokens) for question in questions]
    session.replies(BASE, prompts[:4], sampling)  # warm
    started = time.perf_counter()
    together = session.replies(BASE, prompts, sampling)
    batched = time.perf_counter() - started
    started = time.perf_counter()
    alone = [session.replies(BASE, [prompt], sampling)[0] for prompt in prompts]
    single = time.perf_counter() - started
    same = sum(a == b for a, b in zip(together, alone, strict=True))
    speeds = f"batched {ITEMS / batched:.1f} items/s, one by one {ITEMS / single:.1f}"
    return f"{speeds}: {single / batched:.1f} times as fast; {same} of {ITEMS} answers are the same"


def _session(artifacts: Path, dtype: Dtype) -> Session:
    folder = twin("mistral", artifacts / "tiny").nf4
    code = engine("transformers")
    code.activate()
    tokenizer = tokenizers.load(folder)
    model = code.load_for_generation(LoadSpec(folder, dtype, True, 1024), None)
    return Session(model, tokenizer, tokenizers.stop_ids(tokenizer, folder), 1024)


if __name__ == "__main__":
    main()
