"""Loss per step as numbers: reading it from a csv file, smoothing it, and thinning it for a plot."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medft.errors import DataError
from medft.files import read_text
from medft.runs.losses import LARGEST_LOG

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

COLUMNS = (
    "step",
    "epoch",
    "split",
    "loss",
    "bits_per_byte",
    "learning_rate",
    "grad_norm",
    "tokens",
    "seconds",
)
NUMBERS = tuple(name for name in COLUMNS if name != "split")
MOST_STEPS = 10**12
SMOOTHING_FRACTION = 0.1
SMOOTHING_FEWEST = 12


@dataclass(frozen=True, slots=True)
class Curve:
    """The logged losses of one training run."""

    rows: pd.DataFrame
    """One row per logged line, the columns of ``COLUMNS``; NaN where the file has no value."""
    path: Path
    """The file it was read from."""
    notes: tuple[str, ...] = field(default=())
    """What was set right while reading, in words for the reader of a plot."""

    def split(self, name: str) -> pd.DataFrame:
        """The rows of ``train``, ``validation`` or ``test``, in the order of their steps."""
        return self.rows[self.rows["split"] == name]

    def points(self, split: str, x: str, y: str) -> tuple[Floats, Floats]:
        """Column ``y`` over column ``x`` of one split as two float arrays, rows without either left out."""
        rows = self.split(split)[[x, y]].dropna()
        return rows[x].to_numpy(float), rows[y].to_numpy(float)

    def has(self, y: str) -> bool:
        """Whether any split has values in column ``y``."""
        return bool(self.rows[y].notna().any())

    def last(self, split: str, y: str) -> float | None:
        """The last value of column ``y`` of one split; None without one."""
        values = self.split(split)[y].dropna()
        return float(values.iloc[-1]) if len(values) else None


def read_curve(path: Path) -> Curve:
    """Read a loss.csv, or a ``Step,Loss`` file written by another trainer (its losses count as training).

    Column names are read without regard to case. A last line without its line break is one that a killed run
    had not finished writing: it is left out and noted.

    Raises:
        DataError: missing, empty, not UTF-8, without a step and a loss column, or not numeric; with the line.
    """
    import io

    import pandas as pd

    text = _text(path)
    whole, _, partial = text.rpartition("\n")
    notes: tuple[str, ...] = ()
    if partial and text.count("\n") > 1 and partial.count(",") < text.partition("\n")[0].count(","):
        text, notes = whole + "\n", ("the last line is incomplete and was left out",)
    try:
        table = pd.read_csv(io.StringIO(text), skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path.name} is not a csv table: {error}", where=str(path)) from None
    table.columns = [str(name).strip().lower() for name in table.columns]
    rows = _typed(table, path)
    infinite = rows[list(NUMBERS)].isin([math.inf, -math.inf])
    if count := int(infinite.to_numpy().sum()):
        names = ", ".join(infinite.columns[infinite.any()])
        notes += (f"{count:,} infinite value{'s are' if count > 1 else ' is'} left out ({names})",)
        rows = rows.mask(infinite.reindex(columns=rows.columns, fill_value=False))
    return Curve(rows, path, notes)


def _text(path: Path) -> str:
    try:
        return read_text(path, LARGEST_LOG)
    except FileNotFoundError:
        raise DataError(f"there is no {path.name}", where=str(path), remedy="check the path") from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise DataError(
            f"{path.name} is not a UTF-8 text file ({type(error).__name__})", where=str(path)
        ) from None


def _typed(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    import pandas as pd

    if not {"step", "loss"} <= set(table.columns):
        raise DataError(
            f"{path.name} has no columns 'step' and 'loss'",
            where=f"{path}: {', '.join(map(str, table.columns))}",
            remedy="use medft's loss.csv, or a csv file with the header Step,Loss",
        )
    rows = pd.DataFrame({name: _numbers(table, name, path) for name in NUMBERS})
    steps = rows["step"].abs()
    if (wrong := (steps > MOST_STEPS) & (steps < math.inf) | (rows["step"] < 0)).any():
        raise DataError(
            f"{path.name} has an invalid step",
            where=f"{path}, line {int(wrong.to_numpy().argmax()) + 2}",
            remedy="copy the complete run folder again, or train again",
        )
    rows.insert(2, "split", table["split"].astype(str).str.strip() if "split" in table else "train")
    rows = rows[rows["step"].notna()].sort_values("step", kind="stable", ignore_index=True)
    if rows.empty:
        raise DataError(f"{path.name} has no rows", where=str(path), remedy="the run logged no step yet")
    return rows


def _numbers(table: pd.DataFrame, name: str, path: Path) -> pd.Series[float]:
    import pandas as pd

    if name not in table:
        return pd.Series(float("nan"), index=table.index)
    values = pd.to_numeric(table[name], errors="coerce").astype(float)
    bad = values.isna() & table[name].notna()
    if bad.any():
        line = int(bad.to_numpy().argmax()) + 2
        raise DataError(f"column '{name}' of {path.name} is not numeric", where=f"{path}, line {line}")
    return values


def smooth(x: Floats, y: Floats) -> Floats | None:
    """Local linear regression with tricube weights over the nearest tenth of the points, at least
    ``SMOOTHING_FEWEST`` (LOWESS without its robustness iterations, so that spikes keep their weight:
    Cleveland, J. Am. Stat. Assoc. 74, 829, 1979). Unlike an exponential moving average it does not lag
    behind the curve.

    Returns:
        one value per point, or None when there are too few points to smooth.
    """
    import numpy as np
    from statsmodels.nonparametric.smoothers_lowess import lowess

    finite = np.isfinite(y)
    count = int(finite.sum())
    if count < 2 * SMOOTHING_FEWEST or np.ptp(x[finite]) == 0:
        return None
    fraction = _window(count) / count
    # Between fits that are less than a thousandth of the axis apart, less than a pixel, lowess interpolates.
    fitted: Floats = lowess(
        y[finite], x[finite], frac=fraction, it=0, delta=float(np.ptp(x)) / 1000, return_sorted=False
    )
    out = np.full(len(y), np.nan)
    out[finite] = fitted
    return out


def smoothing_words(count: int) -> str:
    """What ``smooth`` does to a curve of ``count`` points, for the caption of a plot."""
    return f"local linear regression (LOWESS) over the nearest {_window(count):,} points"


def _window(count: int) -> int:
    return max(SMOOTHING_FEWEST, round(SMOOTHING_FRACTION * count))


def thin(x: Floats, y: Floats, buckets: int = 600) -> tuple[Floats, Floats]:
    """First, last, lowest and highest point of each of ``buckets`` equal runs of points, in order: what a
    line drawing of that many pixel columns can show, no extreme lost (M4: Jugel et al., PVLDB 7, 797,
    2014).

    Series of up to four points per bucket come back as they are. NaN counts as lowest, so that a gap stays.
    """
    import numpy as np

    if len(y) <= 4 * buckets:
        return x, y
    edges = np.linspace(0, len(y), buckets + 1).astype(int)
    keep: set[int] = set()
    for start, end in itertools.pairwise(edges):
        part = y[start:end]
        keep.update((start, end - 1, start + int(part.argmin()), start + int(part.argmax())))
    order = np.array(sorted(keep))
    return x[order], y[order]
