from __future__ import annotations

import pytest

from medft.format import UNKNOWN, count, decimal, duration, numeric, size


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
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (750, "12 min 30 s"),
        (11_525, "3 h 12 min"),
        (float("inf"), UNKNOWN),
        (1e308, UNKNOWN),
    ],
)
def test_a_duration_names_its_two_largest_units(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (999, "999"),
        (999.7, "1k"),
        (31_200, "31.2k"),
        (999_600, "1M"),
        (2_140_000, "2.14M"),
        (1.4e9, "1.4B"),
        (1e300, "1e+300"),
    ],
)
def test_counts_have_three_digits_at_most(value: float, shown: str) -> None:
    assert count(value) == shown


def test_what_is_unknown_is_a_dash() -> None:
    for shown in (count, decimal, duration, size):
        assert shown(None) == shown(float("nan")) == UNKNOWN
    assert decimal(1.23456) == "1.235"


def test_what_is_written_here_is_a_number_to_a_table() -> None:
    written = [
        size(14e9),
        duration(750),
        duration(42),
        count(2.1e6),
        decimal(-1.2),
        "1.03 ± 0.01 (n=3)",
    ]
    assert numeric([written, [UNKNOWN] * len(written)], len(written)) == [True] * len(written)
    assert numeric([["a", "1", ""], ["2", "one", "-"]], 3) == [False, False, False]
    assert numeric([], 2) == [False, False]
