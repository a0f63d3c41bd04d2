"""What ties rows together, through chains too."""

import numpy as np

from medft.data.splitting.groups import groups
from tests.data.splitting.support import index_of


def test_groups_hang_together_through_chains():
    rows = [(1, 1, 0, ""), (1, 2, 0, ""), (3, 2, 0, ""), (4, 4, 9, ""), (3, 5, 9, ""), (6, 6, 0, "")]
    index, kept = index_of(rows), np.ones(6, dtype=np.bool_)
    assert len(set(groups(index, kept)[:5])) == 1
    assert len(set(groups(index, kept))) == 2
    kept[1] = False
    assert len(set(groups(index, kept)[:5])) == 3, "a dropped row ties nothing together"
