from __future__ import annotations

from medft.report.blocks import Table

TABLE = Table(("run", "loss", "steps"), (("a", "1.5", "60"), ("b", "-", "40")))


def test_a_table_of_some_columns_keeps_their_order_and_cells() -> None:
    assert TABLE.only(("steps", "run", "none")) == Table(("run", "steps"), (("a", "60"), ("b", "40")))


def test_columns_of_numbers_are_known() -> None:
    assert TABLE.right == [False, True, True]
    assert Table(("a", "b"), ()).right == [False, False]
