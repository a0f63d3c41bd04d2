"""Counts over all rows, against rows whose faults are planted."""

from __future__ import annotations

from typing import Any

import pytest

from medft.models import tokenizer as tokenizers
from medft.prompt.config import TaskConfig, TemplateConfig, WordingConfig
from medft.prompt.encode import Encoder
from medft.prompt.preview import UNCUT
from medft.prompt.survey import Survey
from medft.prompt.template import messages
from tests.data.support import record

TEMPLATE = TemplateConfig("plain", {"qa": TaskConfig(WordingConfig(user="{question}"))})
ROWS = [
    record("What is gout?", "A disease of the joints."),
    record("What is\\nasthma?", "A disease of the airways."),
    record("What is <s> croup?", "An infection\\nof the airways."),
    record("Is it?", "", task="yes_no", label="yes"),
    record("", "No question."),
]


@pytest.fixture(scope="module")
def encoder(twins: Any) -> Encoder:
    tokenizer = tokenizers.load(twins("mistral").bits16)
    return Encoder(tokenizer, UNCUT, tokenizers.stop_ids(tokenizer))


def test_rows_are_counted_whole_and_loss_is_that_of_the_labels(encoder: Encoder) -> None:
    done: list[int] = []
    survey = Survey(TEMPLATE, encoder, 512, done.append)
    counts = survey(ROWS)
    assert done == [5] and survey.rows == 5 and survey.counted == 3
    assert len(counts) == 3, "the two that cannot be worded have no tokens"
    (first,) = encoder.encode([messages(ROWS[0], TEMPLATE)])
    assert counts[0] == (len(first.input_ids), sum(label != -100 for label in first.labels))


def test_faults_and_rows_without_wording_become_findings(encoder: Encoder) -> None:
    survey = Survey(TEMPLATE, encoder, 512)
    survey(ROWS)
    assert survey.faults == {"literal backslash-n": 2, "BOS in the text": 1}
    said = [(finding.level, finding.what) for finding in survey.findings()]
    assert ("problem", "prompt fault in 2 rows: literal backslash-n") in said
    assert any(
        "1 row cannot be filled into the template: template 'plain' has no wording" in what
        for _, what in said
    )
    assert any(
        "1 row cannot be filled into the template: template 'plain' needs the field 'question'" in w
        for _, w in said
    )
    assert all(finding.remedy for finding in survey.findings())


def test_a_rare_fault_is_a_warning(encoder: Encoder) -> None:
    survey = Survey(TEMPLATE, None, 512)
    survey([ROWS[1], *[ROWS[0]] * 200])
    assert [finding.level for finding in survey.findings()] == ["warning"]


def test_rows_that_training_drops_are_said(encoder: Encoder) -> None:
    survey = Survey(TEMPLATE, encoder, 5)
    survey(ROWS[:1])
    (finding,) = survey.findings()
    assert (finding.level, finding.what) == (
        "warning", "training drops 1 row: prompt longer than max_length",
    )  # fmt: skip


def test_without_an_encoder_faults_are_still_counted() -> None:
    survey = Survey(TEMPLATE, None, 512)
    assert survey(ROWS) == [] and survey.faults.total() == 3
