"""The prompt faults of earlier systems, given as data, are caught by name; honest texts are left alone."""

from __future__ import annotations

import json

import pytest

from medft.compose import group_options, settings
from medft.data.record import Message, Record
from medft.prompt.config import TemplateConfig
from medft.prompt.faults import ANSWER_IN_PROMPT, FAULTS, LOSS_ON_PROMPT, REMEDIES, faults
from medft.prompt.template import fill
from tests.data.support import FIXTURES

NEWLINE, MARKER, DOUBLED, BOS, END, GEMMA, LLAMA3, CHAT = (fault.name for fault in FAULTS)
LONG = "Fluids, rest, and a doctor's visit when the fever lasts for more than three days."


def asked(question: str, answer: str = "Yes.") -> tuple[Message, ...]:
    return Message("user", question), Message("assistant", answer)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Answer truthfully.\\nWhat is gout?", {NEWLINE}),
        ("Answer truthfully.\\n\\nwhat is gout?", {NEWLINE}),
        ("[s]What is gout?", {MARKER}),
        ("[s] [INST] What is gout? [/INST]", {MARKER, CHAT}),
        ("What is gout? [/s]", {MARKER}),
        ("[BOS] What is gout? [EOS]", {MARKER}),
        ("<s><s>What is gout?", {DOUBLED, BOS}),
        ("<bos> <bos>What is gout?", {DOUBLED, BOS}),
        ("<|begin_of_text|><|begin_of_text|>What is gout?", {DOUBLED, BOS}),
        ("<s>What is gout?", {BOS}),
        ("What is gout?</s>", {END}),
        ("What is gout?<eos>", {END}),
        ("What is gout?<|end_of_text|>", {END}),
        ("<start_of_turn>user What is gout?", {GEMMA, CHAT}),
        ("<start_of_turn>user\nWhat is gout?<end_of_turn><start_of_turn>model\n", {GEMMA, CHAT}),
        ("<start_of_turn>user\nWhat is gout?<end_of_turn>\n<start_of_turn>model\n", {CHAT}),
        ("<<SYS>>\nYou are a doctor.\n<</SYS>>\n\nWhat is gout?", {CHAT}),
        ("<|start_header_id|>user<|end_header_id|>\n\nWhat is gout?<|eot_id|>", {CHAT}),
        ("<|start_header_id|>user<|end_header_id|> What is gout?<|eot_id|>", {LLAMA3, CHAT}),
        ("<|im_start|>user\nWhat is gout?<|im_end|>", {CHAT}),
        (f"What helps? {LONG}", {ANSWER_IN_PROMPT}),
    ],
)
def test_each_fault_is_caught_by_name_and_no_other(text: str, expected: set[str]) -> None:
    assert set(faults(asked(text, LONG))) == expected
    if ANSWER_IN_PROMPT not in expected:
        assert set(faults(asked("What is gout?", text))) - {LOSS_ON_PROMPT} == expected, "in the answer, too"


INSTRUCTION = (
    "Answer the question truthfully, you are a medical professional. This is the question: Does it last?"
)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (f"<s>[INST] {INSTRUCTION} [/INST] \\n {LONG}</s>", {NEWLINE, BOS, END, CHAT}),
        (f"[s][INST] {INSTRUCTION} [/INST] \\n {LONG}[/s]", {NEWLINE, MARKER, CHAT}),
        (
            f"<start_of_turn>user {INSTRUCTION}<end_of_turn> \\n "
            f"<start_of_turn>model {LONG}<end_of_turn>model",
            {NEWLINE, GEMMA, CHAT},
        ),
        (
            f"<|start_header_id|>user<|end_header_id|> {INSTRUCTION}<|eot_id|>"
            f"<|start_header_id|>assistant<|end_header_id|> {LONG}<|eot_id|>",
            {LLAMA3, CHAT},
        ),
    ],
)
def test_the_prompts_of_each_family_in_an_earlier_system(prompt: str, expected: set[str]) -> None:
    assert set(faults(asked(prompt, LONG))) == expected | {ANSWER_IN_PROMPT}
    assert set(faults(asked("Does it last?", prompt))) == expected | {LOSS_ON_PROMPT}


def test_headings_of_a_finished_prompt_in_an_answer_are_loss_on_the_prompt() -> None:
    assert faults(asked("Help.", f"### Instruction:\nName one.\n\n### Response:\n{LONG}")) == (
        LOSS_ON_PROMPT,
    )


@pytest.mark.parametrize(
    "text",
    [
        "Is pH < 7.2 and pCO2 > 45 [see table 2] an acidosis?",
        "A dose of 5 mg/kg [S-enantiomer], in steps <1 h>",
        "The frequency $\\nu$ is not $\\neq 0$; \\nabla is a gradient.",
        "Time [s] and distance [m] are on the axes.",
        "First line\nsecond line\n\nthird line",
        "Is it gout or arthritis?",
    ],
)
def test_honest_texts_have_none(text: str) -> None:
    assert faults(asked(text, "Gout or arthritis?")) == ()


def test_a_conversation_that_quotes_an_earlier_answer_is_no_fault() -> None:
    talk = (*asked("What helps?", LONG), *asked(f'You said: "{LONG}" Is that all?', "It is."))
    assert faults(talk) == ()


def test_every_fault_says_what_to_do() -> None:
    assert list(REMEDIES) == [*(fault.name for fault in FAULTS), ANSWER_IN_PROMPT, LOSS_ON_PROMPT]
    assert all(REMEDIES.values())


def test_finished_prompts_of_an_earlier_system() -> None:
    rows = [json.loads(line) for line in (FIXTURES / "shekswess.jsonl").read_text().splitlines()]
    found = [set(faults(asked(row["prompt"], row["output"]))) for row in rows]
    assert all(CHAT in names for names in found), "a finished prompt is no question"
    assert sum(NEWLINE in names for names in found) == 2
    assert sum(MARKER in names for names in found) == 2
    assert sum(DOUBLED in names for names in found) == 2
    assert not any(faults(asked(row["input"], row["output"])) for row in rows), "its other columns are clean"


@pytest.mark.parametrize("name", group_options()["template"])
def test_no_shipped_template_brings_a_fault(name: str) -> None:
    template: TemplateConfig = settings("prepare", [f"template={name}"]).template
    record = Record("1", "s", "qa", "en", "What is gout?", "A note.", "A disease of the joints.", "yes")
    for task in template.tasks.values():
        for words in filter(None, (task.default, task.with_context, *task.languages.values())):
            texts = [Message("user", fill(text, record)) for text in (words.system, words.user)]
            assert faults([*texts, Message("assistant", fill(words.assistant, record))]) == ()
