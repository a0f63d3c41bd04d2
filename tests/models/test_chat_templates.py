"""Chat templates that are given to a base without one: which are offered, and what a run keeps of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from medft.data.record import Message
from medft.errors import ConfigError, MedftError, PromptError
from medft.models.chat_templates import suitable, text_of
from medft.models.tiny import Twin
from medft.models.tokenizer import fingerprint, load, stop_ids
from medft.prompt.encode import Encoder

FAMILIES = {"llama3_1": "llama3", "qwen3": "qwen3", "gemma": "gemma", "mistral": "phi3"}
"""A template that is offered to a base of the family."""
CONVERSATION = [Message("user", "What is asthma?"), Message("assistant", "A disease.")]


@pytest.fixture
def bare(twins: Callable[[str], Twin], tmp_path: Path) -> Callable[[str], Path]:
    """``bare(family)``: the folder of a tokenizer without a chat template, as base models have it."""

    def make(family: str) -> Path:
        ignore = shutil.ignore_patterns("*.safetensors", "chat_template.jinja")
        return Path(shutil.copytree(twins(family).bits16, tmp_path / family, ignore=ignore))

    return make


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_offered_to_a_base_passes_the_checks_of_a_run(
    bare: Callable[[str], Path], family: str
) -> None:
    folder = bare(family)
    with pytest.raises(PromptError, match="no chat template") as error:
        load(folder)
    offered = error.value.remedy.partition("model.chat_template=")[2].split(" | ")
    assert FAMILIES[family] in offered
    for name in offered:
        tokenizer = load(folder, chat_template=name)
        stops = stop_ids(tokenizer, folder)
        (row,) = Encoder(tokenizer, 512, stops).encode([CONVERSATION])  # raises where a check fails
        assert row.labels[-1] in stops or row.labels[-2] in stops


def test_a_name_a_file_and_the_text_are_the_same_template(
    bare: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = bare("qwen3")
    text = text_of("qwen3")
    (tmp_path / "own.jinja").write_text(text)
    named, own, spelled = (load(folder, None, it) for it in ("qwen3", str(tmp_path / "own.jinja"), text))
    assert fingerprint(named) == fingerprint(own) == fingerprint(spelled)
    assert fingerprint(named) != fingerprint(load(folder, None, "qwen2_5"))
    named.save_pretrained(str(tmp_path / "saved"))
    assert (tmp_path / "saved" / "chat_template.jinja").read_text() == text


def test_the_offer_leaves_the_tokenizer_alone(bare: Callable[[str], Path]) -> None:
    tokenizer = load(bare("gemma"), None, "gemma")
    before = fingerprint(tokenizer)
    assert suitable(tokenizer)[0] == "gemma"
    assert fingerprint(tokenizer) == before


@pytest.mark.parametrize("wrong", ["qwen33", "no.jinja", "."])
def test_neither_a_name_nor_a_file(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"model\.chat_template[^$]*one of: .*qwen3") as error:
        text_of(wrong)
    assert ("Did you mean 'qwen3'?" in str(error.value)) == (wrong == "qwen33")


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("gemma", "without a stop token"),  # marks that the vocabulary lacks
        ("{{ messages[-1].content }}", "drops, repeats or reorders turns"),
        ("{% for", "refuses"),
    ],
)
def test_a_template_that_does_not_fit_is_refused_by_the_checks(
    bare: Callable[[str], Path], template: str, says: str
) -> None:
    folder = bare("qwen3")
    with pytest.raises(MedftError, match=says):
        tokenizer = load(folder, None, template)
        Encoder(tokenizer, 512, stop_ids(tokenizer, folder))


def test_the_settings_of_a_run_keep_the_text(tmp_path: Path) -> None:
    """What TRL ships, or the file, may be another one when the run is resumed, merged or asked."""
    from medft.compose import settings
    from medft.plan.resolve import resolve
    from medft.verbs.steps import decided
    from tests.plan.support import CPU

    (tmp_path / "own.jinja").write_text("{{ messages }}")
    for chosen in ("qwen3", str(tmp_path / "own.jinja")):
        config = settings("train", ["model=mistral", "scale=tiny", f"model.chat_template={chosen}"])
        resolved = resolve(config.model, config.engine, config.scale, CPU)
        assert decided(config, resolved).model.chat_template == text_of(chosen)
    assert decided(settings("train", ["scale=tiny"]), resolved).model.chat_template is None
