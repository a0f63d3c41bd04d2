"""The checklists: their numbers, and what is filled or left open."""

from __future__ import annotations

import re

from medft.report.blocks import Table
from medft.study.writing.arms import Study
from medft.study.writing.checklist import OPEN, checklists, sections
from medft.study.writing.checklist_facts import known
from medft.study.writing.outcome import Outcome
from tests.study.writing.conftest import Build


def test_every_part_has_a_number_of_its_own_in_order() -> None:
    found = {each.name: [item.number for item in each.items] for each in checklists()}
    assert {name: len(numbers) for name, numbers in found.items()} == {"TRIPOD-LLM": 49, "CHART": 39}
    for numbers in found.values():
        assert len(set(numbers)) == len(numbers)
        main = [int(re.match(r"\d+", number)[0]) for number in numbers]  # type: ignore[index]
        assert main == sorted(main)
    assert {int(re.match(r"\d+", n)[0]) for n in found["TRIPOD-LLM"]} == set(range(1, 20))  # type: ignore[index]
    assert {int(re.match(r"\d+", n)[0]) for n in found["CHART"]} == set(range(1, 13))  # type: ignore[index]


def test_the_facts_that_they_ask_for_are_those_that_a_study_can_have(build: Build) -> None:
    facts = known(Outcome(Study.of(*build())))
    asked = {name for each in checklists() for item in each.items for name in item.facts}
    assert set(facts) - asked == set(), "a fact that nobody asks for"
    assert asked - set(facts) == {"raters", "blinding", "sample_size"}, "nobody has rated, or planned"


def test_what_is_not_known_is_left_open_by_its_number(build: Build) -> None:
    study = Study.of(*build())
    found = {section.heading: section for section in sections(known(Outcome(study)))}
    [table] = [block for block in found["Checklist: CHART"].blocks if isinstance(block, Table)]
    rows = {row[0]: row for row in table.rows}
    assert rows["12b"][2] == OPEN and rows["7biii"][2] == OPEN
    assert rows["3a"][2] == "Methods" and "mistral" in rows["3a"][3]
    assert "12b" in str(found["Checklist: CHART"].blocks[-1])
