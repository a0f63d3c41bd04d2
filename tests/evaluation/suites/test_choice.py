"""Multiple choice: what is asked, and every reading against plain transformers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from medft.compose import settings
from medft.data.record import Message, Record
from medft.errors import DataError
from medft.evaluation.asking import Answers, System
from medft.evaluation.config import SuiteConfig
from medft.evaluation.context import Context
from medft.evaluation.questions import Items, Question
from medft.evaluation.run import QuestionSuite
from medft.evaluation.suites import choice
from medft.evaluation.suites.base import Result
from medft.inference.generation import Reply, Sampling
from medft.inference.likelihood import Likelihood
from medft.prompt.config import TaskConfig, TemplateConfig, WordingConfig

LETTER = WordingConfig(
    system="You take an exam.",
    user="{question}\n\n{options}\n\nAnswer with the letter of the one best option.",
    assistant="{label}",
)
EXAM = TemplateConfig("exam", {"mcq": TaskConfig(LETTER)})
OPTIONS = ("Insulin", "Metformin and rest", "Aspirin", "Heparin")
LINES = "\n".join(f"{letter}. {text}" for letter, text in zip("ABCD", OPTIONS, strict=True))
CLOZE = WordingConfig(user="Question: {question}", assistant="{answer}")


def _record(i: int, subject: str = "") -> Record:
    return Record(
        f"q{i}", "s", "mcq", "en", question=f"What helps in case {i}?", label="ABCD"[i % 4], options=LINES,
        groups=(subject,),
    )  # fmt: skip


def _items(n: int = 4) -> Items:
    records = tuple(_record(i, ("anatomy", "genetics")[i % 2]) for i in range(n))
    return Items(records, records, {}, tuple(_record(100 + i, ("anatomy", "law")[i % 2]) for i in range(8)))


CONFIG = SuiteConfig("choice", max_new_tokens=8, cloze=CLOZE)


def _likely(best: int, options: int = 4, size: int = 4) -> tuple[Likelihood, ...]:
    return tuple(Likelihood(9, 3, 1.0 if i == best else 2.0, 2, size) for i in range(options))


def _value(result: Result, name: str, system: str, group: str = "") -> float:
    return next(f for f in result.metrics if (f.name, f.group) == (name, group)).systems[system].value


def test_options_are_listed_for_the_letter_and_not_for_their_own_words() -> None:
    asked = choice.ask(CONFIG, _items(), EXAM)
    listed, bare = asked.questions[:2]
    assert listed.prompt[-1].content == (
        "What helps in case 0?\n\nA. Insulin\nB. Metformin and rest\nC. Aspirin\nD. Heparin\n\n"
        "Answer with the letter of the one best option."
    )
    assert (listed.candidates, listed.reference) == (("A", "B", "C", "D"), "A")
    assert bare.prompt == (Message("user", "Question: What helps in case 0?"),)
    assert (bare.candidates, bare.generated) == (OPTIONS, False)


def test_examples_are_earlier_turns_of_the_same_subject() -> None:
    asked = choice.ask(replace(CONFIG, shots=2), _items(), EXAM)
    roles = [turn.role for turn in asked.questions[0].prompt]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    anatomy = {f"What helps in case {100 + i}?" for i in range(0, 8, 2)}
    assert all(turn.content.split("\n")[0] in anatomy for turn in asked.questions[0].prompt[1:5:2])
    assert asked.questions[0].prompt[2].content in "ABCD"
    assert asked.questions[0].prompt[:5] == asked.questions[4].prompt[:5]  # the same for a subject
    assert asked.questions[1].prompt[1].content in OPTIONS
    assert "2 examples in each prompt, drawn from 8 rows." in asked.notes


def test_readings_side_by_side() -> None:
    asked = choice.ask(CONFIG, _items(), EXAM)
    answered = Answers()
    for q in asked.questions:
        right = "ABCD".index(q.reference)
        if q.generated:
            answered.likelihoods[q.id] = _likely(right)
            answered.replies[q.id] = Reply(f"Answer: ({q.reference}) {OPTIONS[right]}", 3, True)
        else:  # the longest option is the most probable per byte alone
            sizes = [len(option) for option in OPTIONS]
            nats = [1.0 if i == right else 1.5 for i in range(4)]
            pairs = zip(nats, sizes, strict=True)
            answered.likelihoods[q.id] = tuple(Likelihood(0, 1, n, 1, size) for n, size in pairs)
    answered.replies["q3"] = Reply("Rest is best.", 3, True)
    result = choice.score(CONFIG, asked, {"base": answered}, 0)
    assert _value(result, "accuracy, generated", "base") == 0.75
    assert _value(result, "accuracy, letter likelihood", "base") == 1
    assert _value(result, "accuracy, option likelihood", "base") == 1
    assert _value(result, "accuracy, option likelihood per byte", "base") == 0.25
    assert _value(result, "accuracy, generated", "base", "genetics") == 0.5
    assert _value(result, "unparsable", "base") == 0.25
    assert result.extras["majority baseline"] == result.extras["random baseline"] == 0.25
    assert result.extras["generated"]["counts"]["base"][3] == [0, 0, 0, 0, 1]
    assert result.read["base"]["q3"] == "unparsable"


def test_declining_is_an_option_of_its_own() -> None:
    config = replace(CONFIG, abstain="I don't know", cloze=None)
    asked = choice.ask(config, _items(), EXAM)
    assert "\nE. I don't know\n" in asked.questions[0].prompt[-1].content
    answered = Answers()
    for q, said in zip(asked.questions, ("A", "I don't know.", "D", "(E)"), strict=True):
        answered.likelihoods[q.id], answered.replies[q.id] = _likely(4, 5), Reply(said, 3, True)
    result = choice.score(config, asked, {"base": answered}, 0)
    assert _value(result, "accuracy, generated", "base") == 0.25
    assert _value(result, "accuracy, generated, where it answers", "base") == 0.5
    assert result.extras["share of declined questions"] == {"base": 0.5}
    assert result.extras["random baseline"] == 0.25


def test_what_is_no_multiple_choice_is_refused() -> None:
    for wrong in (replace(_record(0), label="Insulin"), replace(_record(0), options="A. one")):
        with pytest.raises(DataError, match="not multiple choice"):
            choice.choice_of(wrong)


def test_a_file_is_asked_by_the_suite_exam(tmp_path: Path, systems: list[System]) -> None:
    """Options as the data side reads them, examples from the file's training split, subjects apart."""
    for split, n in (("train", 4), ("test", 6)):
        rows = [
            {"question": f"{split} case {i}?", "options": {"A": "Rest", "B": "Insulin", "C": "Heparin"},
             "answer": "ABC"[i % 3], "subject": f"s{i % 2}"}
            for i in range(n)
        ]  # fmt: skip
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = [f"dataset.path={tmp_path}", "dataset.columns.group=subject", "shots=2"]
    overrides = ["suite=exam", *(f"suite.exam.{word}" for word in words), "suite.exam.abstain=Unsure"]
    config = settings("evaluate", overrides).suite["exam"]
    context = Context(EXAM, (), (), Sampling(), tmp_path / "out", 0, True, "r")
    suite = QuestionSuite("exam", config, context)
    *shots, question = suite.asked.questions[0].prompt[-5::2]
    assert all(shot.content.startswith("train case") for shot in shots)
    listed = "A. Rest\nB. Insulin\nC. Heparin\nD. Unsure"
    assert question.content.startswith(f"test case 0?\n\n{listed}\n")
    for system in systems:
        suite.ask(system, lambda *_: None)
    written = suite.finish(lambda *_: None)
    assert {f["group"] for f in written["figures"]} == {"", "s0", "s1"}
    assert (
        written["extras"]["majority baseline"] == written["extras"]["random baseline"] == pytest.approx(1 / 3)
    )
    assert "D" in written["extras"]["generated"]["columns"]


def test_likelihoods_against_plain_transformers(tmp_path: Path, systems: list[System]) -> None:
    """Letters and options scored one by one, with nothing of medft but the messages of the prompt."""
    own = tuple(_record(i) for i in range(5))
    suite = QuestionSuite("exam", CONFIG, Context(EXAM, own, (), Sampling(), tmp_path, 0, True, "r"))
    for system in systems:
        suite.ask(system, lambda *_: None)
    written = suite.finish(lambda *_: None)
    assert written["asked"] == 5  # items, each of them with its options listed and without
    found = {f["name"]: f["systems"] for f in written["figures"]}
    for system in systems:
        hits = dict.fromkeys(("letter likelihood", "option likelihood", "option likelihood per byte"), 0)
        for question in suite.asked.questions:
            nats, gold = _by_hand(system, question), "ABCD".index(question.reference)
            if question.generated:
                hits["letter likelihood"] += nats.index(min(nats)) == gold
            else:
                per_byte = [n / len(t.encode()) for n, t in zip(nats, question.candidates, strict=True)]
                hits["option likelihood"] += nats.index(min(nats)) == gold
                hits["option likelihood per byte"] += per_byte.index(min(per_byte)) == gold
        for reading, count in hits.items():
            assert found[f"accuracy, {reading}"][system.name]["value"] == pytest.approx(count / 5), reading
    lines = [json.loads(line) for line in (tmp_path / "exam.answers.jsonl").read_text().splitlines()]
    assert sum(line["kind"] == "generated" for line in lines) == 10  # the cloze prompts are not continued
    assert sum(line["kind"] == "scored" for line in lines) == 2 * 5 * 8
    said = next(line for line in lines if line["kind"] == "generated")
    assert {"accuracy, generated", "accuracy, letter likelihood", "Brier score"} <= set(said["scores"])
    assert said["read"] in ("A", "B", "C", "D", "unparsable")
    assert any(note.startswith("Prompts: ") for note in written["notes"])


def _by_hand(system: System, question: Question) -> list[float]:
    """Nats of each candidate after the chat template's prompt, the stop token left out."""
    import torch

    session, sums = system.session, []
    user = "\n\n".join(turn.content for turn in question.prompt)  # this template folds a system text so
    turns = [{"role": "user", "content": user}]
    start = session.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    before = len(session.tokenizer(start, add_special_tokens=False)["input_ids"])
    for text in question.candidates:
        said = [*turns, {"role": "assistant", "content": text}]
        whole = session.tokenizer.apply_chat_template(said, tokenize=False)
        ids = session.tokenizer(whole, add_special_tokens=False)["input_ids"]
        end = len(ids) - 1 - [i in session.stop_ids for i in reversed(ids)].index(True)
        with session.using(system.model) as model, torch.no_grad():
            logits = torch.log_softmax(model(torch.tensor([ids])).logits[0].float(), -1)
        sums.append(-sum(float(logits[i - 1, ids[i]]) for i in range(before, end)))
    return sums
