"""What a published model has to be sent is what it was trained on, in the language of its data."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from medft.compose import settings
from medft.config import plain
from medft.publish.card import write_card
from medft.publish.facts import read_facts
from medft.publish.prompts import Prompt, prompts, system_of
from medft.runs.record import RunRecord
from medft.verbs.train_config import TrainConfig
from tests.support.run_folder import make_run

SYSTEM = "You are a medical professional. Answer the question truthfully."


def found(root: Path, *words: str) -> tuple[Prompt, ...]:
    config = settings("train", ["model=mistral", *words])
    assert isinstance(config, TrainConfig)
    return prompts(RunRecord(make_run(root, config=plain(config))))


def test_a_question_is_sent_as_it_is(tmp_path: Path) -> None:
    (prompt,) = found(tmp_path, "dataset=medquad")
    assert prompt == Prompt("qa", "en", SYSTEM, "{question}")
    assert system_of((prompt,)) == SYSTEM


def test_a_context_and_a_language_of_its_own(tmp_path: Path) -> None:
    (prompt,) = found(
        tmp_path, "dataset=csv", "dataset.path=x.csv", "dataset.language=de", "dataset.columns.context=note"
    )
    assert (prompt.language, prompt.user) == ("de", "{context}\n\n{question}")
    turns = ast.literal_eval(prompt.example(system_role=True))
    assert turns == [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "...\n\nWas ist Asthma?"},
    ]


def test_several_tasks_have_several_wordings(tmp_path: Path) -> None:
    several = found(tmp_path, "dataset=pubmedqa_ko", "template=pubmedqa")
    assert {prompt.task for prompt in several} <= {"yes_no", "long_answer"}
    assert all(prompt.language == "ko" and prompt.system.startswith("당신은") for prompt in several)
    assert system_of((Prompt("a", "en", "x", "u"), Prompt("b", "en", "y", "u"))) == ""


def test_a_template_without_a_system_role_gets_the_text_in_the_user_turn() -> None:
    turns = ast.literal_eval(Prompt("qa", "fr", "Be true.", "{question}").example(system_role=False))
    assert turns == [{"role": "user", "content": "Be true.\n\nQu'est-ce que l'asthme ?"}]


@pytest.mark.parametrize(("family", "system_role"), [("gemma", False), ("llama2", True)])
def test_the_card_shows_the_wording_and_an_example(
    twins: Any, tmp_path: Path, family: str, system_role: bool
) -> None:
    run = make_run(tmp_path, config=plain(settings("train", ["model=mistral", "dataset=medquad"])))
    for path in twins(family).bits16.glob("*"):
        if path.name.startswith(("tokenizer", "chat_template", "special")):
            (run.merged / path.name).write_bytes(path.read_bytes())
    facts = read_facts(run)
    assert facts.system_role is system_role
    card = write_card(facts, "ward/net", "merged")
    assert f"system text `{SYSTEM}`" in card
    assert ('{"role": "system"' in card) is system_role
    assert "chat(messages, max_new_tokens=256)" in card


def test_settings_that_say_nothing_claim_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path)  # its template has a name alone
    assert prompts(RunRecord(run)) == ()
    assert "with the following prompts" not in write_card(read_facts(run), "ward/net", "merged")
