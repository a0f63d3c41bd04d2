"""The account adds up, to the row, or says that it does not."""

from dataclasses import replace

import pytest

from medft.data.ledger import Ledger, SourceLedger
from medft.errors import DataError

SOURCE = SourceLedger("a", "MIT", "f", 10, {"train": 6, "validation": 0, "test": 1}, {"blank_answer": 3}, {})
LEDGER = Ledger("both", 1, (SOURCE, replace(SOURCE, name="b")), {"train": "x"}, ("a note",), {"pairs": 2})


def test_sums_over_sources():
    assert LEDGER.check() is LEDGER
    assert LEDGER.rows_in == 20
    assert LEDGER.kept() == {"train": 12, "test": 2}
    assert LEDGER.dropped() == {"blank_answer": 6}
    assert LEDGER.summary() == "20 rows -> 12 train, 2 test; 6 dropped (6 blank_answer)"


@pytest.mark.parametrize("lost", [-1, 1])
def test_a_row_that_is_unaccounted_for_is_an_error(lost):
    wrong = replace(LEDGER, sources=(SOURCE, replace(SOURCE, rows_in=10 + lost)))
    with pytest.raises(DataError, match="does not add up"):
        wrong.check()


def test_json_and_back():
    import json

    values = json.loads(json.dumps(LEDGER.to_json()))
    assert values["totals"] == {
        "rows_in": 20,
        "kept": {"train": 12, "test": 2},
        "dropped": {"blank_answer": 6},
    }
    assert values["figures"] == {"pairs": 2}, "the key by which run folders have it"
    assert Ledger.from_json(values) == LEDGER
