"""When a cohort's labels may be judged: in the order of decisions, and when nearly all of them are here.

Labels that are judged as they come let the quick ones speak first, and a lag that changes looks like an outcome that
changes: what comes in a week is then another mixture. A cohort of decisions that is judged by what it had when nearly
all of it was here, after every earlier one, is the same mixture whatever the lag. Coverage is taken over the last
cohorts together, so that one small cohort does not hold back the others by chance.
"""

import numpy as np

from outlast.monitoring.detecting.tables import Floats, Ints

COVERED = 0.95
"""The share of labels that has to be here. The reference is counted at the same share."""
TOGETHER = 24


def ripe(asked: Ints, here: Ints, *, covered: float = COVERED, together: int = TOGETHER) -> int:
    """How many of the oldest cohorts may be judged, given how many labels each will have and how many are here.

    A cohort that waits too long counts as asked for what it has: whoever calls says when that is.

    >>> ripe(np.array([100, 100, 100, 100]), np.array([99, 97, 60, 98]), together=1)
    2
    >>> ripe(np.array([100, 100, 60, 100]), np.array([99, 97, 60, 98]), together=1)
    4
    """
    wanted, have = (_trailing(np.asarray(side, np.float64), together) for side in (asked, here))
    waiting = np.flatnonzero(have < covered * wanted)
    return int(waiting[0]) if len(waiting) else len(wanted)


def _trailing(values: Floats, together: int) -> Floats:
    """Sums of each cohort and those before it."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(sums[1:] - sums[np.maximum(0, np.arange(len(values)) + 1 - together)], np.float64)
