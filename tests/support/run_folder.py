"""A run folder as training leaves it, with small random weights, for tests of whatever reads run folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import yaml
from safetensors.numpy import save_file

from medft.merge.digests import digests
from medft.runs import RunDir

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000 1f15c4890000000d49444154789c6360606060000000"
    "05000127d4c3a10000000049454e44ae426082"
)

MODELS: dict[str, dict[str, Any]] = {
    "mistral": {
        "name": "mistral", "base": "unsloth/mistral-7b-instruct-v0.2-bnb-4bit",
        "base_16bit": "mistralai/Mistral-7B-Instruct-v0.2", "license": "apache-2.0", "family": "mistral",
    },
    "gemma": {
        "name": "gemma", "base": "unsloth/gemma-1.1-7b-it-bnb-4bit", "base_16bit": "google/gemma-1.1-7b-it",
        "license": "gemma", "family": "gemma",
    },
    "llama2": {
        "name": "llama2", "base": "unsloth/llama-2-7b-chat-bnb-4bit", "license": "llama2", "family": "llama2",
        "base_16bit": "meta-llama/Llama-2-7b-chat-hf",
    },
    "llama3_1": {
        "name": "llama3_1", "base": "unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit", "license": "llama3.1",
        "base_16bit": "meta-llama/Llama-3.1-8B-Instruct", "family": "llama3_1",
        "name_must_start_with": "Llama",
    },
}  # fmt: skip

MEDQUAD = {
    "name": "medquad", "license": "CC-BY-4.0", "language": "en", "reader": "csv",
    "path": "/home/ward/secret/medquad.csv", "homepage": "https://github.com/abachaa/MedQuAD",
}  # fmt: skip
ASCLEPIUS = {
    "name": "asclepius", "license": "CC-BY-NC-SA-4.0", "language": "en", "reader": "hub",
    "repo": "starmpcc/Asclepius-Synthetic-Clinical-Notes",
}  # fmt: skip
SECRET = {**MEDQUAD, "license": "PhysioNet Credentialed", "license_note": "Never redistribute."}

LEDGER: dict[str, Any] = {
    "dataset": "mixture",
    "totals": {"rows_in": 120, "kept": {"train": 90, "validation": 10, "test": 10}, "dropped": {"blank": 10}},
    "sources": [
        {"name": "medquad", "license": "CC-BY-4.0", "rows_in": 70, "kept": {"train": 50, "validation": 10},
         "dropped": {"blank answer": 10}},
        {"name": "asclepius", "license": "CC-BY-NC-SA-4.0", "rows_in": 50, "kept": {"train": 40, "test": 10},
         "dropped": {}},
    ],
    "fingerprints": {"train": "abc"},
    "encoding": {"validation": {"rows": 10}},
    "notes": ["Grouped by question."],
}  # fmt: skip

# Shapes as medft.training.summary, medft.merge.verify and medft.evaluation.run write them.
SUMMARY: dict[str, Any] = {
    "engine": "unsloth",
    "scale": "full",
    "steps": 60,
    "train_loss": 1.75,
    "validation_loss": 1.5,
    "bits_per_byte": 0.61,
    "merge": {
        "base_kind": "16-bit",
        "dtype": "bfloat16",
        "files": {"model.safetensors": "of another folder"},
        "rounding": "stochastic",
        "passed_over": [],
        "logits": {
            "split": "test",
            "rows": 32,
            "written": None,
            "rounding": {"relative": 0.0123, "top1_agreement": 0.995, "kl": 1e-5},
            "quantised": {"relative": 0.25, "top1_agreement": 0.91, "kl": 1e-2},
            "gain": {"value": 0.601, "low": 0.5, "high": 0.7},
            "lost": {"value": 0.0017, "low": -0.002, "high": 0.0054},
            "choice": {"rows": 4, "stochastic": 1e-4, "nearest": 2e-3, "lost_to_nearest": 0.21},
            "quantised_lost": {"value": 0.035, "low": 0.01, "high": 0.06},
            "heldout_loss": {"base": 2.1, "adapted": 1.499, "merged": 1.5, "quantised": 1.52},
        },
        "tensors": {
            "tensors": 291,
            "adapted": 224,
            "changed_share": 0.9,
            "unchanged": ["a", "b"],
            "bias": 2.0,
        },
    },
}

ENVIRONMENT: dict[str, Any] = {
    "python": "3.11.7",
    "commit": "abc123",
    "packages": {"medft": "0.1.0", "transformers": "5.17.0", "peft": "0.21.2", "unsloth": "not installed"},
    "machine": {"gpus": [{"name": "Tesla T4"}, {"name": "Tesla T4"}]},
}

LOSS = """step,epoch,split,loss,bits_per_byte,learning_rate,grad_norm,tokens,seconds
1,0.1,train,2.5,,2e-4,1.0,100,1
2,0.2,train,1.75,,1e-4,1.0,200,2
2,0.2,validation,1.5,0.61,1e-4,,200,2
"""

ACCURACY: dict[str, Any] = {
    "name": "accuracy",
    "group": "",
    "higher_is_better": True,
    "systems": {
        "base": {"value": 0.65, "low": 0.607, "high": 0.69, "n": 500},
        "merged": {"value": 0.71, "low": 0.669, "high": 0.748, "n": 500},
    },
    "differences": {"merged - base": {"value": 0.06, "low": 0.02, "high": 0.1, "p": 0.003, "units": 500}},
}
PERPLEXITY: dict[str, Any] = {
    "name": "perplexity",
    "group": "long answers",
    "higher_is_better": False,
    "systems": {"merged": {"value": 4.5, "low": None, "high": None, "n": 40}},
    "differences": {},
}
SCORES = {"suite": "pubmedqa", "tiny": False, "asked": 500, "figures": [ACCURACY, PERPLEXITY]}


def make_run(root: Path, model: str = "mistral", **changes: Any) -> RunDir:
    """A finished run below ``root``. ``changes`` replace whole files (config=, summary=, ledger=, loss_csv=,
    environment=, scores=); None leaves the file out."""
    name = f"{model}-mixture-medical_qa"
    run = RunDir(root / "runs" / name / "20261120-101500")
    run.root.mkdir(parents=True)
    config = {
        "model": MODELS[model],
        "dataset": {"name": "mixture", "sources": {"medquad": MEDQUAD, "asclepius": ASCLEPIUS}},
        "template": {"name": "medical_qa"},
        "trainer": {"epochs": 1.0, "per_device_batch_size": 2, "gradient_accumulation_steps": 4,
                    "learning_rate": 2e-4, "max_length": 2048},
        "lora": {"r": 16, "alpha": 16, "dropout": 0.0, "target_modules": ["q_proj", "v_proj"]},
        "engine": {"name": "auto", "load_in_4bit": True},
        "scale": "full",
        "seed": 3407,
    }  # fmt: skip
    make_adapter(run.adapter)
    make_merged(run.merged)
    files: dict[Path, Any] = {
        run.config: changes.get("config", config),
        run.summary: changes.get("summary", SUMMARY),
        run.ledger: changes.get("ledger", LEDGER),
        run.environment: changes.get("environment", ENVIRONMENT),
        run.loss_csv: changes.get("loss_csv", LOSS),
        run.evaluation / "pubmedqa.json": changes.get("scores", SCORES),
    }
    for path, content in files.items():
        if content is not None:
            _write(path, content)
    run.loss_png.write_bytes(PIXEL)
    if "summary" not in changes:
        seal(run)
    return run


def seal(run: RunDir) -> None:
    """Note what merged/ holds now as what passed its check."""
    summary = json.loads(run.summary.read_text())
    _write(run.summary, {**summary, "merge": summary["merge"] | {"files": digests(run.merged)}})


def make_adapter(folder: Path) -> None:
    """Files as peft and the tokenizer save them, a local path and peft's own card included."""
    folder.mkdir()
    weights = {"base_model.model.x.lora_A.weight": numpy.ones((2, 8), numpy.float32)}
    save_file(weights, folder / "adapter_model.safetensors")
    lora = {"peft_type": "LORA", "base_model_name_or_path": "/home/ward/.cache/hub/base", "r": 2}
    _write(folder / "adapter_config.json", lora)
    _write(folder / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer"})
    _write(folder / "chat_template.jinja", "{{ messages }}")
    _write(folder / "README.md", "peft's own card with /home/ward/.cache/hub/base")


def make_merged(folder: Path) -> None:
    """Two shards with their index, configuration and tokenizer."""
    folder.mkdir()
    names = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    rng = numpy.random.default_rng(0)
    for i, name in enumerate(names):
        save_file({f"w{i}": rng.standard_normal(5000).astype(numpy.float32)}, folder / name)
    _write(folder / "model.safetensors.index.json", {"weight_map": {"w0": names[0], "w1": names[1]}})
    _write(folder / "config.json", {"model_type": "mistral", "_name_or_path": "/home/ward/base"})
    _write(folder / "generation_config.json", {"eos_token_id": 2})
    _write(folder / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer"})


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    elif path.suffix == ".yaml":
        path.write_text(yaml.safe_dump(content))
    else:
        path.write_text(json.dumps(content))
