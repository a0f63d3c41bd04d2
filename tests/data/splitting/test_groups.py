"""Groups are formed through chains."""

import numpy as np

from medft.data.splitting.groups import groups


def pairs(*found):
    return np.array([a for a, _ in found]), np.array([b for _, b in found])


def test_groups_hang_together_through_chains():
    found = groups(7, [pairs((0, 1), (3, 4)), pairs((1, 2), (4, 5))])
    assert len(set(found[:3])) == len(set(found[3:6])) == 1
    assert len(set(found)) == 3


def test_without_edges_every_row_is_alone():
    assert len(set(groups(4, []))) == 4
