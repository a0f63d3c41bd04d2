from __future__ import annotations

import numpy as np
import pytest

from medft.report.style import spread_out


def test_labels_do_not_overlap_and_stay_in_order() -> None:
    wanted = [0.50, 0.51, 0.52, 0.9, 0.0, 0.505]
    placed = np.array(spread_out(wanted, 0.05, 0.0, 1.0))
    assert (np.diff(np.sort(placed)) >= 0.05 - 1e-9).all()
    assert (np.argsort(placed) == np.argsort(wanted)).all()
    assert placed.min() >= 0 and placed.max() <= 1
    assert placed[3] == pytest.approx(0.9)
    crowded = spread_out([0.5] * 40, 0.05, 0.0, 1.0)
    assert min(crowded) == pytest.approx(0.0) and max(crowded) == pytest.approx(1.0)
