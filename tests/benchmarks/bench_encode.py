"""Records -> ids and labels, beside the bare Rust tokenizer on the same strings, in interleaved rounds.

    MEDFT_REAL_DATA=<folder> python -m tests.benchmarks.bench_encode
    python -m tests.benchmarks.bench_encode 16000 160000 1600000

With MEDFT_REAL_DATA: MedQuAD's csv and the real Mistral tokenizer; without it: the bundled sample, repeated,
and a tiny twin's tokenizer. Both sides use the same batches and as many threads as there are cores. Aim: 90%.
With numbers: the peak memory of encoding that many synthetic rows, each in a process of its own; it should
hardly grow with them. Seen: 846, 851 and 861 MB for 16,000, 160,000 and 1,600,000 rows, libraries included.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from medft.compose import settings
from medft.data.prepare import prepare
from medft.data.record import Record
from medft.models import tokenizer as tokenizers
from medft.models.families import folder_of
from medft.prompt.encode import Encoder
from medft.prompt.template import messages
from medft.prompt.tokens import encode_split

ROUNDS = 3
BATCH = 512


def main() -> None:
    """Print the rates and their ratio, or the peaks for numbers of rows."""
    if sys.argv[1:2] == ["--one"]:
        print(_peak(int(sys.argv[2])))
        return
    for rows in sys.argv[1:]:
        subprocess.run([sys.executable, "-m", "tests.benchmarks.bench_encode", "--one", rows], check=True)
    if not sys.argv[1:]:
        _rates()


def _peak(rows: int) -> str:
    config, tokenizer = settings("train", ["dataset=sample"]), tokenizers.load(_twin())
    draw = random.Random(rows)
    words = [f"word{n}" for n in range(500)]
    records = (
        Record(str(n), "s", "qa", "en", f"What is {n}?", answer=" ".join(draw.choices(words, k=20)))
        for n in range(rows)
    )
    encoder = Encoder(tokenizer, 2048, tokenizers.stop_ids(tokenizer))
    with tempfile.TemporaryDirectory() as folder:
        split = encode_split(records, config.template, encoder, Path(folder) / "x", "truncate")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{split.rows:,} rows, {split.tokens:,} tokens: peak {peak:,.0f} MB"


def _twin() -> Path:
    from medft.models.tiny import twin

    return twin("mistral", Path("artifacts/tiny")).bits16


def _rates() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, tokenizer, what = _setting(folder)
        prepared = prepare(config.dataset, seed=config.seed, processed=folder)
        records = list(prepared.records("train")) * (1 if prepared.rows("train") > 5000 else 20)
        encoder = Encoder(tokenizer, 2048, tokenizers.stop_ids(tokenizer))
        texts = [encoder.chat.render(messages(record, config.template)) for record in records]
        bare, ours = [], []
        for _ in range(ROUNDS):
            bare.append(_timed(lambda: _bare(tokenizer.backend_tokenizer, texts)))
            ours.append(
                _timed(lambda: encode_split(records, config.template, encoder, folder / "x", "truncate"))
            )
    ratio = statistics.median(b / o for b, o in zip(bare, ours, strict=True))
    print(f"{what}: {len(texts):,} rows")
    print(f"  bare tokenizer        {min(bare):6.2f} s  {len(texts) / min(bare):8,.0f} rows/s")
    print(f"  records -> ids+labels {min(ours):6.2f} s  {len(texts) / min(ours):8,.0f} rows/s")
    print(f"  share of the bare tokenizer's rate: {ratio:.0%} (median of {ROUNDS} interleaved rounds)")


def _setting(folder: Path) -> tuple[Any, Any, str]:
    real = os.environ.get("MEDFT_REAL_DATA")
    if real:
        place = folder / "mistral"
        place.mkdir()
        shutil.copy(Path(real) / "tokenizers" / "mistral_v0.2_tokenizer.model", place / "tokenizer.model")
        shutil.copy(folder_of("mistral") / "chat_template.jinja", place)
        (place / "tokenizer_config.json").write_text(
            '{"tokenizer_class": "LlamaTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", '
            '"unk_token": "<unk>"}'
        )
        config = settings("train", ["dataset=medquad", f"dataset.path={real}/medquad.csv"])
        return config, tokenizers.load(place), "MedQuAD, the real Mistral tokenizer"
    return (
        settings("train", ["dataset=sample"]),
        tokenizers.load(_twin()),
        "bundled sample, a twin's tokenizer",
    )


def _bare(backend: Any, texts: list[str]) -> None:
    for start in range(0, len(texts), BATCH):
        backend.encode_batch(texts[start : start + BATCH], add_special_tokens=False)


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
