"""The bundled samples: enough of them, well-formed, and no text twice."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
QA = "medical_qa.jsonl"
REFUSALS = "refusals.jsonl"
SUBTLE = "sounds_non_medical.jsonl"
ALL = (QA, REFUSALS, SUBTLE)
LEAST_ROWS = {QA: 230, REFUSALS: 85, SUBTLE: 42}
COLUMNS = {
    QA: ["id", "question", "answer", "topic", "kind"],
    REFUSALS: ["id", "question", "answer", "label"],
    SUBTLE: ["id", "question", "answer", "label"],
}
BARELY_RELATED = 0.6
"""Share of common words over which two questions count as the same one asked twice."""

SourceRow = dict[str, str | int]


def rows(name: str) -> list[SourceRow]:
    return [json.loads(line) for line in (SAMPLES / name).read_text(encoding="utf-8").splitlines()]


def texts(column: str, *names: str) -> list[str]:
    return [str(row[column]) for name in names for row in rows(name)]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def repeated(items: list[str]) -> list[str]:
    return [item for item, times in Counter(items).items() if times > 1]


@pytest.mark.parametrize("name", ALL)
def test_there_are_enough_rows_with_the_columns_promised(name: str) -> None:
    sample = rows(name)
    assert len(sample) >= LEAST_ROWS[name]
    assert all(list(row) == COLUMNS[name] for row in sample)


@pytest.mark.parametrize("name", ALL)
def test_no_text_is_empty_or_carries_stray_blanks(name: str) -> None:
    values = [value for row in rows(name) for value in row.values() if isinstance(value, str)]
    assert [value for value in values if not value or value != value.strip()] == []
    assert [value for value in values if re.search(r"[\r\t\x00]|  |\n{3,}", value)] == []


def test_labels_say_medical_or_not() -> None:
    assert {row["label"] for row in rows(REFUSALS)} == {0}
    assert {row["label"] for row in rows(SUBTLE)} == {1}


def test_ids_are_unique_over_all_files() -> None:
    assert repeated(texts("id", *ALL)) == []


def test_no_question_is_asked_twice() -> None:
    assert repeated([" ".join(words(question)) for question in texts("question", *ALL)]) == []
    asked = [(question, set(words(question))) for question in texts("question", *ALL)]
    alike = [
        (first, second)
        for (first, a), (second, b) in combinations(asked, 2)
        if len(a & b) > BARELY_RELATED * len(a | b)
    ]
    assert alike == []


def test_no_answer_and_no_long_sentence_is_boilerplate() -> None:
    assert repeated([" ".join(words(answer)) for answer in texts("answer", *ALL)]) == []
    sentences = [
        " ".join(words(sentence)) for answer in texts("answer", *ALL) for sentence in answer.split(". ")
    ]
    assert repeated([sentence for sentence in sentences if sentence.count(" ") >= 7]) == []


def test_answers_run_from_one_sentence_to_four_paragraphs() -> None:
    lengths = [len(words(answer)) for answer in texts("answer", QA)]
    assert min(lengths) <= 10
    assert max(lengths) >= 250
    assert max(answer.count("\n\n") for answer in texts("answer", QA)) >= 3


def test_some_topics_have_many_questions_and_most_have_few() -> None:
    per_topic = Counter(texts("topic", QA))
    assert sum(count >= 5 for count in per_topic.values()) >= 3
    assert len(per_topic) >= 150


def test_every_refusal_says_what_the_assistant_is_for() -> None:
    silent = [
        text for text in texts("answer", REFUSALS) if not re.search("medic|health", text, re.IGNORECASE)
    ]
    assert silent == []
