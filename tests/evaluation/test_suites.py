"""Each kind of suite: what it asks, and its metrics from answers whose scores are known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from medft.compose import compose
from medft.config import build
from medft.data.record import Message, Record
from medft.errors import ConfigError, DataError
from medft.evaluation.answers_page import generated
from medft.evaluation.asking import Answers, System
from medft.evaluation.config import SuiteConfig
from medft.evaluation.context import Context
from medft.evaluation.questions import SEEN, Items, collect
from medft.evaluation.run import QuestionSuite
from medft.evaluation.suites import labels, rag, scope, text
from medft.evaluation.suites.base import Result
from medft.inference.dialogue import templates
from medft.inference.generation import Reply, Sampling
from medft.inference.likelihood import Likelihood
from tests.support.killed import die, until_killed

QA = templates()["medical_qa"]
LABELS = ("yes", "no", "maybe")


def _suite(name: str, **changes: object) -> SuiteConfig:
    overrides = [f"suite={name}"]
    values = compose("evaluate", overrides)["suite"][name]
    return build(SuiteConfig, {**values, **changes}, f"suite.{name}")


DRUGS = ("aspirin", "insulin", "heparin", "digoxin", "morphine", "lithium")


def _records(n: int = 6) -> tuple[Record, ...]:
    return tuple(
        Record(
            id=f"q{i}",
            source="s",
            task="yes_no",
            language="en",
            question=f"Does {DRUGS[i]} help?",
            context=f"Trial of {DRUGS[i]}.",
            answer="Long.",
            label=LABELS[i % 3],
        )
        for i in range(n)
    )


def _items(records: tuple[Record, ...]) -> Items:
    return Items(records, records, {})


def _likely(best: int, options: int = 3) -> tuple[Likelihood, ...]:
    return tuple(Likelihood(9, 3, 1.0 if i == best else 2.0, 2, 4) for i in range(options))


def _value(result: Result, name: str, system: str, group: str = "") -> float:
    return next(f for f in result.metrics if (f.name, f.group) == (name, group)).systems[system].value


def test_labels_by_likelihood_and_by_text() -> None:
    config = replace(_suite("pubmedqa"), only_benchmark_test=False)
    asked = labels.ask(config, _items(_records()), QA)
    assert [q.candidates for q in asked.questions] == [LABELS] * 6
    assert asked.questions[0].prompt[-1].content.endswith("Answer with one word: yes, no or maybe.")
    right, wrong = Answers(), Answers()
    for i, q in enumerate(asked.questions):
        right.likelihoods[q.id], wrong.likelihoods[q.id] = _likely(i % 3), _likely(0)
        right.replies[q.id], wrong.replies[q.id] = Reply(f"{LABELS[i % 3]}.", 2, True), Reply("know", 2, True)
    result = labels.score(config, asked, {"base": wrong, "tuned": right}, 0)
    assert _value(result, "accuracy, likelihood", "base") == pytest.approx(1 / 3)
    assert _value(result, "macro F1, likelihood", "base") == pytest.approx(0.5 / 3)
    assert _value(result, "accuracy, generated", "tuned") == 1
    assert _value(result, "unparsable", "base") == 1
    assert result.extras["majority baseline"] == pytest.approx(1 / 3)
    brier = next(f for f in result.metrics if f.name == "Brier score").systems
    assert set(brier) == {"base", "tuned"}
    right.probabilities = False  # an encoder names a label, and says nothing of how sure it is
    again = labels.score(config, asked, {"base": wrong, "encoder": right}, 0)
    assert set(next(f for f in again.metrics if f.name == "Brier score").systems) == {"base"}
    official = again.extras["macro F1, generated, with unparsable answers as a class of their own"]
    assert official == {"base": 0.0, "encoder": 1.0}
    assert result.extras["generated"]["counts"]["base"] == [[0, 0, 0, 2]] * 3


def test_a_label_that_begins_another_is_refused() -> None:
    config = replace(_suite("pubmedqa"), labels=("no", "normal"))
    records = tuple(replace(r, label="no") for r in _records())
    with pytest.raises(ConfigError, match="begins the answer"):
        labels.ask(config, _items(records), QA)


def test_an_unknown_gold_label_is_an_error() -> None:
    records = (replace(_records()[0], label="perhaps"),)
    with pytest.raises(ConfigError, match="not among the suite"):
        labels.ask(_suite("pubmedqa"), _items(records), QA)


def test_rag_asks_with_gold_retrieved_and_no_context() -> None:
    config = _suite("rag")
    asked = rag.ask(config, _items(_records()), QA)
    by_group = {g: [q for q in asked.questions if q.group == g] for g in ("gold context", "no context")}
    assert len(asked.questions) == 18
    assert "Trial of aspirin" in by_group["gold context"][0].prompt[-1].content
    assert "Trial" not in by_group["no context"][0].prompt[-1].content
    assert asked.extras["retrieval"]["recall@1"] == 1
    answered = Answers()
    for q in asked.questions:
        hit = q.group == "gold context"
        answered.likelihoods[q.id] = _likely(LABELS.index(q.reference) if hit else 1)
        answered.replies[q.id] = Reply(q.reference if hit else "?", 2, True)
    result = rag.score(config, asked, {"base": answered}, 0)
    assert _value(result, "accuracy, likelihood", "base", "gold context") == 1
    assert _value(result, "accuracy, likelihood", "base", "no context") == pytest.approx(1 / 3)
    conditions = {"gold context", "retrieved context", "no context"}
    assert {f.group for f in result.metrics} == conditions | {"base by context"}
    between = next(f for f in result.metrics if f.group == "base by context")
    assert between.name == "accuracy, likelihood" and set(between.systems) == conditions
    worth = between.differences["no context - gold context"]  # each question against itself
    assert worth.value == pytest.approx(1 / 3 - 1)
    assert set(between.differences) == {
        "retrieved context - gold context", "no context - gold context", "no context - retrieved context",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("refuses", "answers", "j"),
    [(True, False, 0.0), (False, True, 0.0), (True, True, 1.0), (False, False, -1.0)],
)
def test_scope_scores_refusing_and_answering_everything_low(refuses: bool, answers: bool, j: float) -> None:
    out = tuple(replace(r, task="refusal", context="", label="") for r in _records(4))
    within = tuple(replace(r, id=f"in{r.id}", task="qa", context="", label="") for r in _records(4))
    config = _suite("scope")
    asked = scope.ask(config, _items((*out, *within)), QA)
    assert asked.questions[0].prompt == asked.questions[4].prompt
    answered = Answers()
    for q in asked.questions:
        decline = refuses if q.group == "out of scope" else not answers
        text = "I'm sorry, I can only answer medical questions." if decline else "Take rest and fluids."
        answered.replies[q.id] = Reply(text, 5, True)
    result = scope.score(config, asked, {"base": answered}, 0)
    assert _value(result, "Youden's J", "base") == j


def test_scope_needs_both_kinds() -> None:
    with pytest.raises(DataError, match="both kinds"):
        scope.ask(_suite("scope"), _items((replace(_records()[0], task="qa"),)), QA)


def test_text_metrics_by_hand() -> None:
    config = _suite("heldout")
    records = tuple(
        Record(f"q{i}", "s", "qa", "en", question=f"What is it {i}?", answer="a b c d") for i in range(3)
    )
    asked = text.ask(config, _items(records), QA)
    answered = Answers()
    for i, q in enumerate(asked.questions):
        answered.likelihoods[q.id] = (Likelihood(6.0 + i, 3, 4.0 + i, 2, 7),)
        answered.replies[q.id] = Reply("a b c d" if i else "x", 5, bool(i))
    result = text.score(config, asked, {"base": answered}, 0)
    assert _value(result, "loss", "base") == pytest.approx(21 / 9)
    assert _value(result, "perplexity", "base") == pytest.approx(math.exp(21 / 9))
    assert _value(result, "bits per byte", "base") == pytest.approx(15 / 21 / math.log(2))
    assert _value(result, "ROUGE-L", "base") == pytest.approx(2 / 3)
    assert _value(result, "termination rate", "base") == pytest.approx(2 / 3)


def test_heldout_metrics_against_transformers_own_loss(tmp_path: Path, systems: list[System]) -> None:
    """Loss, perplexity and termination from a loop over items with nothing of medft but the token ids."""
    import torch

    suite = QuestionSuite("heldout", _suite("heldout", max_new_tokens=30), _context(tmp_path, _own(6)))
    for system in systems:
        suite.ask(system, lambda *_: None)
    figures = {f["name"]: f["systems"] for f in suite.finish(lambda *_: None)["figures"]}
    for system in systems:
        session, nats, tokens, ended, bits = system.session, 0.0, 0, 0, 0.0
        answers = [q.candidates[0] for q in suite.asked.questions]
        for question, answer in zip(suite.asked.questions, answers, strict=True):
            row = session.encoder.encode([(*question.prompt, Message("assistant", answer))])[0]
            learnt = sum(label != -100 for label in row.labels)
            with session.using(system.model) as model, torch.no_grad():
                ids = torch.tensor([row.input_ids])
                loss = float(model(input_ids=ids, labels=torch.tensor([row.labels])).loss)
                stop = torch.tensor([[-100] * (len(row.labels) - 1) + row.labels[-1:]])
                of_stop = float(model(input_ids=ids, labels=stop).loss)
                prompt = torch.tensor([session.prompt(question.prompt, 30)])
                said = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=30,
                                      do_sample=False, eos_token_id=list(session.stop_ids))  # fmt: skip
            nats, tokens, bits = nats + loss * learnt, tokens + learnt, bits + loss * learnt - of_stop
            ended += int(said[0, -1]) in session.stop_ids
        assert figures["loss"][system.name]["value"] == pytest.approx(nats / tokens, rel=1e-4)
        assert figures["perplexity"][system.name]["value"] == pytest.approx(math.exp(nats / tokens), rel=1e-3)
        size = sum(len(answer.encode()) for answer in answers)
        assert figures["bits per byte"][system.name]["value"] == pytest.approx(
            bits / math.log(2) / size, rel=1e-4
        )
        assert figures["termination rate"][system.name]["value"] == pytest.approx(ended / 6)


def test_items_seen_in_training_are_not_asked(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(
        '{"question": "What is gout?", "answer": "A."}\n{"question": "Why rest?", "answer": "B."}\n'
    )
    config = _suite("heldout", dataset={"name": "own", "reader": "jsonl", "path": str(path),
                                        "columns": {"question": "question", "answer": "answer"}})  # fmt: skip
    trained_on = [Record("t", "s", "qa", "en", question="what is GOUT ?", answer="Z.")]
    items = collect(config, [], trained_on, 0)
    assert [r.question for r in items.records] == ["Why rest?"]
    assert items.left_out == {SEEN: 1}


def _context(folder: Path, own: tuple[Record, ...]) -> Context:
    return Context(QA, own, (), Sampling(), folder, 0, True, "r")


def _own(n: int) -> tuple[Record, ...]:
    return tuple(
        Record(f"q{i}", "s", "qa", "en", question=f"Is {i} high?", answer=f"It is {i}.") for i in range(n)
    )


def test_a_killed_suite_asks_nothing_twice(tmp_path: Path, systems: list[System]) -> None:
    config = _suite("heldout", max_new_tokens=6)
    whole = QuestionSuite("heldout", config, _context(tmp_path / "whole", _own(8)))
    for system in systems:
        whole.ask(system, lambda *_: None)
    expected = whole.finish(lambda *_: None)

    def kill(what: str, done: int, total: int) -> None:
        if "tuned answers" in what and done:
            die()

    context = _context(tmp_path / "killed", _own(8))
    first = QuestionSuite("heldout", config, context)
    until_killed(lambda: [first.ask(system, kill) for system in systems])
    again = QuestionSuite("heldout", config, context)
    asked: list[str] = []
    for system in systems:
        again.ask(system, lambda what, *_: asked.append(what))
    assert asked == []  # the kill came after the last batch was on disk
    assert again.finish(lambda *_: None)["figures"] == expected["figures"]
    lines = (tmp_path / "killed" / "heldout.answers.jsonl").read_text().splitlines()
    assert len(lines) == 8 * 2 * 2
    assert '"question": "Is 0 high?"' in lines[0]


def test_questions_with_the_same_prompt_are_answered_once_and_all_kept(
    tmp_path: Path, systems: list[System]
) -> None:
    first, second = _own(2)
    own, asked = (first, replace(second, question=first.question)), []
    suite = QuestionSuite("heldout", _suite("heldout", max_new_tokens=4), _context(tmp_path, own))
    suite.ask(systems[0], lambda what, done, total: asked.append((what, total)) if not done else None)
    suite.finish(lambda *_: None)
    assert asked == [("heldout: base scores", 2), ("heldout: base answers", 1)]
    rows = list(generated(tmp_path / "heldout.answers.jsonl"))
    assert [(row["item"], row["gold"]) for row in rows] == [("q0", first.answer), ("q1", second.answer)]


def test_other_weights_or_settings_are_asked_again(tmp_path: Path, systems: list[System]) -> None:
    context, asked = _context(tmp_path, _own(3)), []
    for system, tokens in ((systems[0], 4), (systems[0], 5), (replace(systems[0], fingerprint="w1"), 5)):
        suite = QuestionSuite("heldout", _suite("heldout", max_new_tokens=tokens), context)
        suite.ask(system, lambda what, done, total: asked.append((what, total)) if not done else None)
    assert asked == [
        ("heldout: base scores", 3), ("heldout: base answers", 3), ("heldout: base answers", 3),
        ("heldout: base scores", 3), ("heldout: base answers", 3),
    ]  # fmt: skip


def test_a_question_that_does_not_fit_is_counted(tmp_path: Path, systems: list[System]) -> None:
    own = (*_own(2), Record("long", "s", "qa", "en", question="fever " * 900, answer="Yes."))
    suite = QuestionSuite("heldout", _suite("heldout", max_new_tokens=4), _context(tmp_path, own))
    for system in systems:
        suite.ask(system, lambda *_: None)
    result = suite.finish(lambda *_: None)
    assert result["left_out"] == {"longer than the model's context": 1}
    assert result["figures"][0]["systems"]["base"]["n"] == 2


def test_a_conversation_is_asked_for_its_last_turn() -> None:
    turns = (
        Message("user", "Hi"),
        Message("assistant", "Yes?"),
        Message("user", "Why?"),
        Message("assistant", "So."),
    )
    record = Record("c", "s", "conversation", "en", turns=turns)
    (question,) = text.ask(_suite("heldout"), _items((record,)), QA).questions
    assert [m.role for m in question.prompt] == ["system", "user", "assistant", "user"]
    assert question.candidates == ("So.",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "labels"}, "needs 'labels'"),
        ({"kind": "text", "labels": ["a"]}, "does not read 'labels'"),
        ({"kind": "text", "limit": 0}, "at least 1"),
        ({"kind": "quiz"}, "cannot be 'quiz'"),
    ],
)
def test_settings_that_contradict_the_kind(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(SuiteConfig, values, "suite.x")
