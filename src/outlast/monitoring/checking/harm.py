"""What a shift costs a day: the loss since its onset against the reference's, in the contract's money."""

import math
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from outlast.data.past import MILLS, LossScale
from outlast.monitoring.harm import Harm

_WIDE = 1.96
_DAY = timedelta(days=1)
ENOUGH = 100
"""Matured outcomes below which a cost has no use: its interval holds everything."""


def harm_of(
    since: npt.NDArray[np.int64],
    usual: npt.NDArray[np.int64],
    *,
    spread: float,
    scale: LossScale,
    a_day: float,
    effect: float,
    stake: float | None,
) -> Harm | None:
    """From (rows, mills) since an onset and in the reference; None where there is no money or too little is known.

    `spread` is the variance of the loss in the reference as a part of m (1 - m), the most that a loss between 0 and 1
    can have; it is taken to be the same part now. Rows that hang together count as fewer by `effect`.
    """
    if scale.money is None or since[0] < ENOUGH or not usual[0]:
        return None
    now, before = (float(pair[1]) / float(pair[0]) / MILLS for pair in (since, usual))
    parts = ((now, float(since[0])), (before, float(usual[0])))
    error = math.sqrt(sum(spread * effect * mean * (1 - mean) / rows for mean, rows in parts))
    unit = scale.money * MILLS * a_day
    per_day, half = unit * (now - before), unit * _WIDE * error
    return Harm(per_day, per_day - half, per_day + half, stake)


def spread_of(rows: int, mills: int, squares: int) -> float:
    """The variance of a loss as a part of the most it could be.

    >>> spread_of(4, 2000, 2_000_000)
    1.0
    """
    if not rows:
        return 1.0
    mean = mills / rows / MILLS
    most = mean * (1 - mean)
    return min(1.0, max(0.0, squares / rows / MILLS**2 - mean**2) / most) if most > 0 else 1.0


def rows_a_day(rows: int, length: timedelta) -> float:
    """How many decisions a day there are."""
    return rows / max(length / _DAY, 1 / 24)
