"""The model card claims what the run folder holds, all of it, no more, and nothing in it can act."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from medft.data.ledger import CONTAMINATED
from medft.errors import ConfigError
from medft.publish.card import write_card
from medft.publish.facts import read_facts
from tests.support.run_folder import (
    ASCLEPIUS,
    ENVIRONMENT,
    LEDGER,
    MEDQUAD,
    MODELS,
    SCORES,
    SUMMARY,
    make_run,
)

# The hub's identifiers for the licenses of the four families.
HUB_LICENSES = {"apache-2.0", "gemma", "llama2", "llama3.1"}


def card_of(root: Path, model: str = "mistral", kind: Any = "merged", **changes: Any) -> str:
    return write_card(read_facts(make_run(root, model, **changes)), "ward/Llama-medical", kind)


@pytest.mark.parametrize("kind", ["adapter", "merged", "both"])
@pytest.mark.parametrize("model", MODELS)
def test_metadata_is_valid(tmp_path: Path, model: str, kind: str) -> None:
    card = ModelCard(card_of(tmp_path, model, kind))
    data = card.data.to_dict()
    if model == "mistral":  # the data forbids what Apache's license would allow
        assert (data["license"], data["license_name"]) == ("other", "apache-2.0-and-terms-of-the-data")
        assert data["license_link"] == "https://huggingface.co/ward/Llama-medical#data"
    else:
        assert data["license"] == MODELS[model]["license"]
        assert data["license"] in HUB_LICENSES
    assert data["base_model"] == MODELS[model]["base_16bit"]
    assert data["base_model_relation"] == ("adapter" if kind == "adapter" else "finetune")
    assert data["library_name"] == ("peft" if kind == "adapter" else "transformers")
    assert data["datasets"] == [ASCLEPIUS["repo"]]
    assert data["language"] == ["en"]
    assert ModelCard(str(card)).data.to_dict() == data  # the hub's reader and writer agree


def test_free_data_leave_a_free_base_free(tmp_path: Path) -> None:
    card = card_of(tmp_path, config={"model": MODELS["mistral"], "dataset": MEDQUAD})
    assert ModelCard(card).data.to_dict()["license"] == "apache-2.0"
    assert "- **medquad**: must be credited wherever this model is shared." in card


def test_everything_that_the_folder_proves_is_there(tmp_path: Path) -> None:
    card = card_of(tmp_path, "llama3_1")
    for claim in (
        "Llama 3.1 Community License", "Built with Llama", "forbids commercial use", "is share-alike",
        "| LoRA rank | 16 |", "| rows per step | 8 |",
            "| train loss, mean of the last fifth of the steps | unknown | 1.75 |",
            "| validation loss | 10 | 1.5 |",
        "| validation bits per byte of the answers | 10 | 0.61 |", "![Loss over steps](loss.png)",
        "| pubmedqa | accuracy | merged | 0.71 | 0.669 to 0.748 | 500 |",
        "- pubmedqa, accuracy, merged - base: better (+0.060 ",
        "| pubmedqa: long answers | perplexity (lower is better) | merged | 4.5 | not computed | 40 |",
        "10 blank answer", "Grouped by question.", "Not checked against a list of benchmark questions",
        "Not for clinical use", "merged into the 16-bit base",
        "and passed.", "differ by 1.23% of what the adapter changes", "same in 91.0% of positions",
        "Trained on 2 x Tesla T4.", "| transformers | 5.17.0 |", "| medft | 0.1.0 (abc123) |",
        "Loss on 32 test rows: 2.1000 base, 1.5000 merged, 1.4990 unmerged, 1.5200 4-bit base + adapter.",
        "In 2 weights rounding to 16 bits removed all of the adapter.",
        "trained on `unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit`", "vllm serve ward/Llama-medical",
    ):  # fmt: skip
        assert claim in card, claim
    assert "not installed" not in card


def test_nothing_that_the_folder_does_not_prove(tmp_path: Path) -> None:
    run = make_run(
        tmp_path,
        config={"model": {"name": "x"}},
        summary={},
        ledger=None,
        loss_csv=None,
        environment=None,
        scores=None,
    )
    run.loss_png.unlink()
    card = write_card(read_facts(run), "ward/x", "merged")
    for claim in (
        "loss.png",
        "| setting",
        "| loss | rows",
        "bits per byte",
        "| suite",
        "passed their check",
        "Trained on",
    ):
        assert claim not in card, claim
    for truth in ("does not record the training data", "Not evaluated", "Not recorded", "Not checked"):
        assert truth in card, truth
    head = ModelCard(card).data.to_dict()
    assert head["license"] == "other"
    assert not {"base_model", "datasets", "language"} & set(head)


NO_LOSS = {key: value for key, value in SUMMARY.items() if not key.endswith(("_loss", "per_byte"))}
PARTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "evaluation": (
        {"scores": None},
        ("| suite |", "pubmedqa", "Paired comparisons", "These numbers cannot be compared"),
    ),
    "curve": ({}, ("loss.png",)),
    "losses": ({"summary": NO_LOSS}, ("| loss | rows |", "| 0.61 |")),
    "ledger": ({"ledger": None}, ("10 blank answer", "Grouped by question.", "| 50 | 40 |")),
    "environment": ({"environment": None}, ("| transformers |", "| python |", "Trained on 2 x")),
    "merge": (
        {"summary": {**SUMMARY, "merge": None}},
        ("**Merge.**", "and passed.", "Loss on 32 test rows"),
    ),
    "steps": ({"summary": {k: v for k, v in SUMMARY.items() if k != "steps"}}, ("| steps |",)),
    "bits per byte": ({"summary": {**SUMMARY, "bits_per_byte": None}}, ("| 0.61 |",)),
}
"""What is taken out of the folder, and which words of the card then have to go."""


@pytest.mark.parametrize("part", PARTS)
def test_each_part_proves_its_own_claims(tmp_path: Path, part: str) -> None:
    changes, claims = PARTS[part]
    whole = card_of(tmp_path / "whole")
    run = make_run(tmp_path / "less", **changes)
    if part == "curve":
        run.loss_png.unlink()
    less = write_card(read_facts(run), "ward/Llama-medical", "merged")
    for claim in {claim for _, words in PARTS.values() for claim in words}:
        assert claim in whole, claim
        assert (claim in less) != (claim in claims), claim


def test_a_base_out_of_a_gguf_file_is_said(tmp_path: Path) -> None:
    made = {"file": "small.Q4_1.gguf", "sha256": "ab" * 32, "quantised": ["Q4_1", "Q8_0"]}
    card = card_of(tmp_path, kind="adapter", summary={**SUMMARY, "base_file": made})
    assert f"dequantized from the GGUF file `small.Q4_1.gguf (Q4_1, Q8_0; SHA-256 {'ab' * 32})`" in card
    assert "GGUF" not in card_of(tmp_path / "other", kind="adapter", summary={**SUMMARY, "base_file": None})


def test_unverified_merge_is_said(tmp_path: Path) -> None:
    failed = {**SUMMARY, "merge": {"base_kind": "16-bit"}}
    assert "no record of a check of the merged weights" in card_of(tmp_path, summary=failed)


def test_a_merge_whose_answers_were_not_compared_is_said_to_be_so(tmp_path: Path) -> None:
    why = "that needs 20.1 GB of memory, and cpu has 11.0 GB free"
    merge = {
        **SUMMARY["merge"],
        "logits": None,
        "not_compared": why,
        "files": {"model.safetensors": "ab" * 32},
    }
    card = card_of(tmp_path, summary={**SUMMARY, "merge": merge})
    assert f"read from disk and is exact; answers not compared, {why} (" in card
    assert "no record of a check of the merged" not in card and "logits differ" not in card


def test_decontamination_is_reported_when_it_was_done(tmp_path: Path) -> None:
    source = {"name": "medquad", "rows_in": 9, "dropped": {CONTAMINATED: 7}}
    config = {"model": MODELS["mistral"], "dataset": {**MEDQUAD, "decontaminate": "/home/ward/held.txt"}}
    card = card_of(tmp_path, config=config, ledger={"sources": [source]})
    assert "held-out texts that the author listed" in card
    assert "13 words in a row of one, or most of a shorter question: 7." in card
    assert "Not checked" not in card
    assert "/home" not in card


def test_the_benchmarks_that_rows_were_screened_for_are_named(tmp_path: Path) -> None:
    screened = {"name": "medquad", "rows_in": 9, "dropped": {}, "screened_for": ["PubMedQA", "MedQA"]}
    config = {"model": MODELS["mistral"], "dataset": MEDQUAD}
    card = card_of(tmp_path / "a", config=config, ledger={"sources": [screened]})
    assert "Training rows were screened for the test items of PubMedQA and MedQA." in card
    allowed = {"name": "exam", "rows_in": 9, "dropped": {}, "screened_for": []}
    assert "Training rows of medquad were" in card_of(
        tmp_path / "b", config=config, ledger={"sources": [screened, allowed]}
    )
    assert "Not checked" in card_of(tmp_path / "c", config=config, ledger={"sources": [allowed]})


def test_the_version_of_a_data_set_is_the_commit_that_was_read(tmp_path: Path) -> None:
    source = {"name": "medquad", "rows_in": 9, "fingerprint": "5b0961fbaa6d7f9c344c5d59c29943fb900c2eca"}
    card = card_of(
        tmp_path, config={"model": MODELS["mistral"], "dataset": MEDQUAD}, ledger={"sources": [source]}
    )
    assert "| 5b0961fbaa6d |" in card


@pytest.mark.parametrize("kind", ["adapter", "merged", "both"])
def test_no_path_of_this_machine(tmp_path: Path, kind: str) -> None:
    config = {
        "model": {"name": "custom", "base": "/home/ward/secret/base", "license": "mit"},
        "dataset": {"name": "own", "path": "/home/ward/secret/rows.csv", "repo": None},
    }
    card = card_of(tmp_path, config=config, kind=kind)
    assert "/home" not in card
    assert str(tmp_path) not in card
    assert "`base`" in card


EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    "a | b | c",
    "`code` **bold** _it_",
    "line\n\n# heading\n---\nlicense: mit\n---",
    "&lt;b&gt;",
    "x\u2028---\u2028y",
    '"><svg onload=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
]


TAGS = {
    "h1", "h2", "p", "strong", "em", "code", "pre", "blockquote", "ul", "li", "a", "img", "table", "thead",
    "tbody", "tr", "th", "td",
}  # fmt: skip
NAMED = ("dropped", "systems", "differences", "packages")
"""Groups whose keys are printed."""


def poison(value: Any, evil: str, keys: bool = False) -> Any:
    """Every text replaced by an attack, and every printed key prolonged by it."""
    if isinstance(value, dict):
        return {
            key + evil * keys: poison(item, evil, key in NAMED and isinstance(item, dict))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [poison(item, evil) for item in value]
    return evil if isinstance(value, str) else value


class Page(HTMLParser):
    """The tags of a page, what it links to, and whether anything in it would act."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: set[str] = set()
        self.handlers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets |= {value or "" for name, value in attrs if name in ("href", "src")}
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


@pytest.mark.parametrize("evil", EVIL)
def test_no_value_can_act(tmp_path: Path, evil: str) -> None:
    """Rendered as a hub renders it, raw HTML allowed, an attack in every text shows as text."""
    clean = {
        "config": yaml.safe_load(make_run(tmp_path / "clean").config.read_text()),
        "summary": SUMMARY, "ledger": LEDGER, "scores": SCORES,
        "environment": ENVIRONMENT,
    }  # fmt: skip
    card = card_of(tmp_path, **{name: poison(value, evil) for name, value in clean.items()})
    body = card.split("\n---\n", 1)[1]
    page = Page(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(body))
    assert set(page.tags) <= TAGS
    assert page.handlers == []
    assert page.targets == {"loss.png"}
    assert page.tags.count("h1") == 1
    assert page.tags.count("table") == 5
    assert page.tags.count("tr") == 5 + 2 + 12 + 3 + 3 + 5
    assert ModelCard(card).data.to_dict()["license"] == "other"


def test_repo_must_be_a_hub_id(tmp_path: Path) -> None:
    facts = read_facts(make_run(tmp_path))
    for repo in ("x", "a/b/c", "a/<b>", "a/../b", "a/b\n"):
        with pytest.raises(ConfigError, match="not a hub id"):
            write_card(facts, repo, "merged")
