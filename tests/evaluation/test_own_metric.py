"""Metrics from a file of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft.errors import ConfigError
from medft.evaluation import own_metric


@pytest.mark.parametrize("said", ["np.float32(0.5)", "np.float16(0.5)", "Fraction(1, 2)", "0.5"])
def test_every_kind_of_real_number_is_a_score(tmp_path: Path, said: str) -> None:
    assert _of(tmp_path, said)("a", "b") == 0.5


@pytest.mark.parametrize("said", ["'0.5'", "None", "np.float32('nan')", "float('inf')", "1j"])
def test_anything_else_is_refused_by_the_name_of_the_metric(tmp_path: Path, said: str) -> None:
    with pytest.raises(ConfigError, match=r"'mine'.*not a finite number"):
        _of(tmp_path, said)("a", "b")


def _of(folder: Path, said: str) -> own_metric.Function:
    file = folder / "mine.py"
    file.write_text(
        f"import numpy as np\nfrom fractions import Fraction\ndef score(a, b):\n    return {said}\n"
    )
    return own_metric.load("mine", f"{file}:score")
