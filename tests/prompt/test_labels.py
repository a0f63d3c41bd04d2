"""Labels that the words of a prompt do not offer are found before anybody trains on them."""

from __future__ import annotations

from collections import Counter

import pytest

from medft.compose import settings
from medft.errors import PromptError
from medft.prompt.labels import demand_offered, unoffered
from tests.data.support import record

NLI = settings("train", ["template=nli", "dataset=mednli"]).template


def pair(label: str, **more: str) -> object:
    return record("He coughs.", "", context="He smokes.", label=label, **{"task": "nli", **more})


@pytest.mark.parametrize("label", ["entailment", "Neutral", "contradiction"])
def test_words_of_the_prompt_are_offered(label: str) -> None:
    assert unoffered(pair(label), NLI) == ""


@pytest.mark.parametrize("label", ["Refutes", "1", "entails", "not_entailment"])
def test_others_are_not(label: str) -> None:
    assert unoffered(pair(label), NLI) == label


def test_what_the_record_says_offers_nothing_but_where_options_stand_in_it() -> None:
    said = record("Refutes it?", "", context="It refutes.", label="refutes", task="nli")
    assert unoffered(said, NLI) == "refutes"


def test_the_letter_of_an_option_is_offered_by_the_record() -> None:
    template = settings("train", ["template=mcq", "dataset=medqa"]).template
    asked = record("Which?", "", options="A. one\nB. two\nC. three\nD. four", label="D", task="mcq")
    assert unoffered(asked, template) == ""
    assert unoffered(record("Which?", "", options="A. one", label="E", task="mcq"), template) == "E"


def test_rows_without_a_label_or_that_learn_the_answer_are_fine() -> None:
    template = settings("train", ["template=medical_qa", "dataset=sample"]).template
    assert unoffered(record(label="urgent"), template) == ""


def test_labels_that_are_missing_are_named_with_their_rows_and_a_way_out() -> None:
    with pytest.raises(PromptError, match=r"'1' \(3\), '0' \(2\)") as error:
        demand_offered(Counter({"0": 2, "1": 3}), NLI)
    assert "dataset.labels={0: <a word of the prompt>" in error.value.remedy
    demand_offered(Counter(), NLI)
