"""Records of one document, one patient or one context are one piece of evidence."""

from __future__ import annotations

from medft.data.clusters import clusters
from tests.data.support import record


def test_records_that_share_a_group_are_one_through_others_too() -> None:
    found = clusters([
        record(id="0", groups=("note 1", "patient 1")),
        record(id="1", groups=("note 2", "patient 1")),
        record(id="2", groups=("note 2", "patient 2")),
        record(id="3", groups=("note 3", "patient 3")),
        record(id="4", groups=("note 1", "patient 1"), source="another hospital"),
    ])  # fmt: skip
    assert found[0] == found[1] == found[2] and len(set(found)) == 3
    assert found[0].endswith("note 1") and found[4] == "another hospital: note 1"


def test_without_groups_the_context_is_shared_and_nothing_else() -> None:
    same = [record(id=str(n), context="A trial of aspirin.") for n in range(2)]
    found = clusters([*same, record(id="2", context="Another trial."), record(id="3"), record(id="4")])
    assert found[0] == found[1] != found[2] and found[0]
    assert found[3:] == ["", ""]  # alone, each of them
    assert clusters([]) == []


def test_an_empty_group_ties_nothing() -> None:
    assert clusters([record(id=str(n), groups=("",), context="Shared.") for n in range(2)]) == ["", ""]
