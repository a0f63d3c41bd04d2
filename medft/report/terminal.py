"""A table on a terminal: columns aligned, numbers right, fitted to the width that is there.

Owns widths. Shortened cells end in an ellipsis, so that nothing is cut unseen; other formats have them whole.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from medft.report.html import Table, numeric_columns

GAP = "  "


def fitted(table: Table, width: int, shrink: Collection[str] = (), least: int = 8) -> str:
    """The table as lines of at most ``width`` characters, as far as shortening helps.

    Args:
        table: what to show.
        width: characters per line.
        shrink: columns that may be shortened, the widest first, down to ``least`` characters each.
        least: the narrowest a shortened column becomes.
    """
    widths = [max(len(row[i]) for row in (table.columns, *table.rows)) for i in range(len(table.columns))]
    elastic = [i for i, name in enumerate(table.columns) if name in shrink]
    while sum(widths) + len(GAP) * (len(widths) - 1) > width and any(widths[i] > least for i in elastic):
        widths[max(elastic, key=lambda i: widths[i])] -= 1
    right = numeric_columns(table)
    return "\n".join(_line(row, widths, right) for row in (table.columns, *table.rows))


def narrowed(table: Table, columns: Collection[str]) -> Table:
    """The table with those of ``columns`` that it has."""
    keep = [i for i, name in enumerate(table.columns) if name in columns]
    rows = tuple(tuple(row[i] for i in keep) for row in table.rows)
    return Table(tuple(table.columns[i] for i in keep), rows)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    shown = [
        _short(cell, width).rjust(width) if aligned else _short(cell, width).ljust(width)
        for cell, width, aligned in zip(cells, widths, right, strict=True)
    ]
    return GAP.join(shown).rstrip()


def _short(cell: str, width: int) -> str:
    flat = "".join(letter if letter.isprintable() else "�" for letter in cell)
    return flat if len(flat) <= width else flat[: width - 1] + "…"
