from __future__ import annotations

import pytest

from medft.format import UNKNOWN, count, decimal, duration, size


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (84_500_000, "84.5 MB"), (999_960_000, "1.0 GB"),
        (14_483_000_000, "14.5 GB"), (2.5e12, "2.5 TB"),
    ],
)  # fmt: skip
def test_bytes_are_shown_in_the_largest_unit_that_they_fill(value: float, shown: str) -> None:
    assert size(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (750, "12 min 30 s"), (11_525, "3 h 12 min")],
)
def test_a_duration_names_its_two_largest_units(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(999, "999"), (999.7, "1k"), (31_200, "31.2k"), (999_600, "1M"), (2_140_000, "2.14M"), (1.4e9, "1.4B")],
)
def test_counts_have_three_digits_at_most(value: float, shown: str) -> None:
    assert count(value) == shown


def test_what_is_unknown_is_a_dash() -> None:
    for shown in (count, decimal, duration, size):
        assert shown(None) == shown(float("nan")) == UNKNOWN
    assert decimal(1.23456) == "1.235"
