"""Other people's programs use merged/ and adapter/ as they lie there: four families, no word of medft."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from medft.models import tokenizer as tokenizers
from medft.models import tokenizer_files
from medft.models.tiny import Twin
from tests.merge.small import FAMILIES, lora, write_merge

QUESTION = [{"role": "user", "content": "What is asthma?"}]
TASK = """
task: airways
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
output_type: multiple_choice
test_split: test
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_target: gold
doc_to_choice: ["yes", "no", "maybe so"]
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


@dataclass
class Handed:
    """What somebody is given."""

    base: Path
    adapter: Path
    merged: Path
    stops: tuple[int, ...]


@pytest.fixture(scope="module")
def handed(twins: Callable[[str], Twin], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Handed]:
    from transformers import AutoModelForCausalLM

    made: dict[str, Handed] = {}

    def make(family: str) -> Handed:
        if family not in made:
            folder, base = tmp_path_factory.mktemp(family), twins(family).bits16
            model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
            lora(model, folder / "adapter", size=0.05)
            tokenizer = tokenizers.load(base)
            tokenizer_files.save(tokenizer, base, folder / "adapter")
            stops = tokenizers.stop_ids(tokenizer, base)
            write_merge(base, folder / "adapter", folder / "merged", stops, max_shard_bytes=300_000)
            made[family] = Handed(base, folder / "adapter", folder / "merged", stops)
        return made[family]

    return make


def plain(folder: Path) -> Any:
    """The model of a folder in plain transformers, in float32, so that programs can be compared."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pipeline_chats_and_stops(handed: Callable[[str], Handed], family: str) -> None:
    import torch
    from transformers import AutoTokenizer, pipeline

    given = handed(family)
    answer = pipeline("text-generation", str(given.merged), dtype="float32")
    told = answer(QUESTION, max_new_tokens=6, do_sample=False)[0]["generated_text"][-1]["content"]
    tokenizer = AutoTokenizer.from_pretrained(given.base)  # the template is the base's, to the token
    text = tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    model = plain(given.merged)
    by_hand = ids
    with torch.no_grad():
        for _ in range(6):
            by_hand = torch.cat([by_hand, model(by_hand).logits[:, -1:].argmax(-1)], dim=1)
            if int(by_hand[0, -1]) in given.stops:
                break
    assert told == tokenizer.decode(by_hand[0, ids.shape[1] :], skip_special_tokens=True)
    for number in (*given.stops, tokenizer.convert_tokens_to_ids("a")):
        forced = answer.model.generate(
            ids, max_new_tokens=3, do_sample=False, logits_processor=[lambda _, s, n=number: only(s, n)]
        )
        assert forced.shape[1] - ids.shape[1] == (1 if number in given.stops else 3)


def only(scores: Any, number: int) -> Any:
    """Scores that leave nothing but token ``number``."""
    import torch

    return torch.full_like(scores, float("-inf")).index_fill(1, torch.tensor([number]), 0.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_plain_peft_loads_the_adapter(handed: Callable[[str], Handed], family: str) -> None:
    import torch
    from peft import AutoPeftModelForCausalLM

    given = handed(family)
    ids = torch.arange(10, 40)[None]
    adapted = AutoPeftModelForCausalLM.from_pretrained(given.adapter, dtype="float32").eval()
    with torch.no_grad():
        theirs, ours = adapted(ids).logits, plain(given.merged)(ids).logits
        with adapted.disable_adapter():
            base = adapted(ids).logits
    assert torch.equal(base, plain(given.base)(ids).logits)
    effect, rounding = torch.linalg.norm(theirs - base), torch.linalg.norm(theirs - ours)
    assert 0 < rounding < 0.02 * effect
    assert len(list(given.merged.glob("model-*.safetensors"))) > 1


ASKED_OF_EITHER = """
import json, sys
import torch, transformers
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], torch_dtype=torch.float32).eval()
told = {"version": int(transformers.__version__.split(".")[0])}
for folder in sys.argv[1:]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    asked = json.loads(sys.stdin.readline())
    text = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        told[folder] = [text, ids, tokenizer.pad_token_id, tokenizer.eos_token_id,
                        model(torch.tensor([ids * 3])).logits[0, -1].tolist()]
print(json.dumps(told))
"""


@pytest.mark.skipif(
    "TRANSFORMERS_4" not in os.environ, reason="TRANSFORMERS_4 names no folder of it: NOT TESTED"
)
@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_4_answers_the_same(handed: Callable[[str], Handed], family: str) -> None:
    """pip install --no-deps --target FOLDER 'transformers==4.57.*' 'huggingface-hub<1' 'tokenizers<0.23'"""
    given = handed(family)
    folders = [str(given.merged), str(given.adapter)]
    answers = []
    for path in ([], [os.environ["TRANSFORMERS_4"]]):
        asked = subprocess.run(
            [sys.executable, "-c", ASKED_OF_EITHER, *folders],
            input=f"{json.dumps(QUESTION)}\n" * 2, env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            capture_output=True, text=True,
        )  # fmt: skip
        assert asked.returncode == 0, asked.stderr[-2000:]
        answers.append(json.loads(asked.stdout.splitlines()[-1]))
    assert [told.pop("version") for told in answers] == [5, 4]
    for folder in folders:
        (*words, logits), (*words_4, logits_4) = (told[folder] for told in answers)
        assert words == words_4
        assert logits == pytest.approx(logits_4, abs=1e-4)


@pytest.fixture
def task(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A task of the harness on six local rows."""
    harness = pytest.importorskip("lm_eval.tasks", reason="the extra lm-eval is missing: NOT TESTED")
    rows = [{"question": f"Is asthma number {n} chronic?", "gold": ("yes", "no")[n % 2]} for n in range(6)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "airways.yaml").write_text(TASK.format(rows=tmp_path / "rows.jsonl"))
    manager = harness.TaskManager(include_path=str(tmp_path), include_defaults=False)
    yield {"tasks": ["airways"], "task_manager": manager, "bootstrap_iters": 0, "batch_size": 2}


@pytest.mark.parametrize("client", ["merged", "adapter"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_harness_finds_transformers_likelihoods(
    handed: Callable[[str], Handed], task: dict[str, Any], family: str, client: str
) -> None:
    """`lm_eval --model hf --model_args pretrained=...`, and with ``peft=``."""
    import torch
    from lm_eval import simple_evaluate
    from peft import PeftModel
    from transformers import AutoTokenizer

    given = handed(family)
    weights = given.merged if client == "merged" else given.base
    added = {"peft": str(given.adapter)} if client == "adapter" else {}
    settings = {"pretrained": str(weights), "dtype": "float32", "device": "cpu", **added}
    found = simple_evaluate(model="hf", model_args=settings, **task)
    network = plain(weights)
    if client == "adapter":
        network = PeftModel.from_pretrained(network, given.adapter).eval()
    tokenizer = AutoTokenizer.from_pretrained(given.merged)
    samples = found["samples"]["airways"]
    assert len(samples) == 6
    for sample in samples:
        for (prompt, choice), ((told, _),) in zip(sample["arguments"], sample["resps"], strict=True):
            start, whole = tokenizer(prompt)["input_ids"], tokenizer(prompt + choice)["input_ids"]
            with torch.no_grad():
                logs = network(torch.tensor([whole])).logits[0].log_softmax(-1)
            expected = sum(float(logs[i - 1, whole[i]]) for i in range(len(start), len(whole)))
            assert float(told) == pytest.approx(expected, rel=1e-4)
