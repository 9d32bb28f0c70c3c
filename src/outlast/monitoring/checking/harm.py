"""What a shift costs a day: the loss since its onset against the reference's, in the contract's money."""

import math
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from outlast.data.past import MILLS, LossScale
from outlast.monitoring.judge import Harm

_WIDE = 1.96
_DAY = timedelta(days=1)
ENOUGH = 100
"""Matured outcomes below which a cost has no use: its interval holds everything."""


def harm_of(
    since: npt.NDArray[np.int64],
    usual: npt.NDArray[np.int64],
    *,
    scale: LossScale,
    a_day: float,
    effect: float,
    stake: float | None,
) -> Harm | None:
    """From (rows, mills) since an onset and in the reference; None where there is no money or too little is known.

    The variance of a loss between 0 and 1 is at most m (1 - m); rows that hang together count as fewer by `effect`.
    Both keep the interval on the wide side.
    """
    if scale.money is None or since[0] < ENOUGH or not usual[0]:
        return None
    now, before = (float(pair[1]) / float(pair[0]) / MILLS for pair in (since, usual))
    error = math.sqrt(now * (1 - now) * effect / float(since[0]) + before * (1 - before) * effect / float(usual[0]))
    unit = scale.money * MILLS * a_day
    per_day, half = unit * (now - before), unit * _WIDE * error
    return Harm(per_day, per_day - half, per_day + half, stake)


def rows_a_day(rows: int, length: timedelta) -> float:
    """How many decisions a day there are."""
    return rows / max(length / _DAY, 1 / 24)
