from __future__ import annotations

from medft.data.record import Record
from medft.evaluation.same_items import asked_of_each


def _rows(*questions: str) -> list[Record]:
    return [Record(id=q, source="x", task="qa", language="en", question=q, answer=f"{q}!") for q in questions]


def _asked(tests: list[list[Record]], data: list[str]) -> list[str]:
    return ["".join(record.question for record in rows) for rows in asked_of_each(tests, data)]


def test_what_stands_in_every_test_split_is_asked_of_all() -> None:
    assert _asked([_rows("a", "b", "c"), _rows("c", "b", "d")], ["one", "two"]) == ["bc", "bc"]


def test_runs_on_other_data_share_theirs_by_data_set() -> None:
    tests = [_rows("a", "b"), _rows("x", "y"), _rows("b", "c"), _rows("y")]
    assert _asked(tests, ["one", "two", "one", "two"]) == ["b", "y", "b", "y"]


def test_runs_on_one_data_set_that_share_nothing_are_asked_nothing() -> None:
    assert _asked([_rows("a"), _rows("b")], ["one", "one"]) == ["", ""]
