"""Verbatim runs against a search that compares everything with everything; identifiers by kind."""

from __future__ import annotations

import random
import time

from medft.evaluation import leaks
from medft.evaluation.asking import Answers
from medft.evaluation.leaks import SHORTEST, TrainingAnswers
from medft.evaluation.metrics import words
from medft.inference.generation import Reply


def _by_hand(text: str, corpus: list[str]) -> int:
    said, best = words(text), 0
    for other in map(words, corpus):
        for i in range(len(said)):
            for j in range(len(other)):
                n = 0
                while i + n < len(said) and j + n < len(other) and said[i + n] == other[j + n]:
                    n += 1
                best = max(best, n)
    return best if best >= SHORTEST else 0


def test_the_longest_run_is_that_of_a_plain_search() -> None:
    rng = random.Random(0)
    corpus = [" ".join(rng.choices("abc", k=rng.randint(1, 60))) for _ in range(30)]
    index = TrainingAnswers(corpus)
    texts = [" ".join(rng.choices("abc", k=rng.randint(0, 40))) for _ in range(30)]
    texts += [f"x {corpus[3]} y", corpus[5] + " " + corpus[6], "", "unseen words"]
    found = [index.longest_run(text) for text in texts]
    assert found == [_by_hand(text, corpus) for text in texts]
    assert max(found) > SHORTEST and 0 in found


def test_case_and_punctuation_do_not_hide_a_copy() -> None:
    answer = "Asthma is a chronic disease in which the airways narrow and swell."
    index = TrainingAnswers([answer, "Rest."])
    assert index.longest_run(f"Well: {answer.upper()}") == 12
    assert index.longest_run("Asthma is a chronic disease in which") == 0  # seven words
    assert TrainingAnswers([]).longest_run(answer) == 0


def test_identifiers_in_answers_are_counted() -> None:
    answers = Answers(replies={"q": Reply("Seen on 12 May 2024, write to a@b.org.", 9, True)})
    assert leaks.identifiers({"base": Answers(), "tuned": answers}) == {"base": 0, "tuned": 2}


def test_repeating_text_takes_no_longer_than_its_length_explains() -> None:
    text = "take one tablet twice a day with water " * 200
    index = TrainingAnswers([text] * 3)
    started = time.process_time()
    assert index.longest_run(text) == 1600
    assert time.process_time() - started < 2
