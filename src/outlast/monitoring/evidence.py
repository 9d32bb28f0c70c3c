"""How far counts are from what they were measured against, on the scale of standard errors.

Every deviation here is `sqrt(2 n I)` with a sign, where `exp(-n I)` bounds the chance of counts so far out (Chernoff):
a threshold holds at any number of rows, not only at large ones. All assume rows that are independent given the
reference; `design_effect` measures by how much they are not, and a deviation is divided by its square root. That
tempering is calibrated, not proven.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from outlast.data.profile import ABOVE, BELOW, BINS, CELLS, MISSING
from outlast.monitoring.counting.counts import Ints

Floats = npt.NDArray[np.float64]

ORDER = (BELOW, *range(BINS), ABOVE)
"""Cells of a number from small to large."""


def kl(p: float, q: float) -> float:
    """The relative entropy of one coin to another, in nats.

    Source: Kullback & Leibler (1951).

    >>> kl(0.5, 0.5), kl(0.0, 0.0), kl(0.5, 0.0)
    (0.0, 0.0, inf)
    """
    found = 0.0
    for a, b in ((p, q), (1 - p, 1 - q)):
        if a > 0:
            found += math.inf if b <= 0 else a * math.log(a / b)
    return max(0.0, found)


def rate_deviation(hits: int, rows: int, limit: float) -> float:
    """How far a rate is above a limit, in standard errors; 0 where it is not above.

    Source: the Chernoff bound P(hits/rows >= p) <= exp(-rows kl(p, limit)) (Hoeffding 1963, theorem 1), and the
    signed root of the deviance. Assumes independent rows.

    >>> round(rate_deviation(20, 200, 0.05), 2)
    2.87
    """
    if not rows or hits / rows <= limit:
        return 0.0
    return math.sqrt(2 * rows * kl(hits / rows, limit))


def mean_deviation(mean: float, limit: float, *, rows: int, variance: float, reach: float = 1.0) -> float:
    """How far a mean of bounded values is above a limit, in standard errors; 0 where it is not above.

    Source: Bernstein's inequality (Boucheron, Lugosi, Massart 2013, theorem 2.10) for independent values with this
    variance that exceed their mean by at most `reach`.
    """
    beyond = mean - limit
    if beyond <= 0 or not rows:
        return 0.0
    scale = variance + reach * beyond / 3
    return beyond * math.sqrt(rows / scale) if scale > 0 else math.inf


def rate_limit(hits: int, rows: int, *, z: float, margin: float, relative: float) -> float:
    """The largest rate that the reference does not speak against: estimate, its sampling error, and a margin.

    The error is the binomial's with half an event added, so that a rate never seen has one too (Agresti & Coull 1998
    in spirit); the margin is the larger of an absolute and a relative one.
    """
    p, near = hits / rows, (hits + 0.5) / (rows + 1)
    return min(1.0, p + z * math.sqrt(near * (1 - near) / rows) + max(margin, relative * p))


def midranks(reference: Ints) -> tuple[Floats, float]:
    """Where each cell of a number stands in the reference, 0 to 1, and the variance of that over the reference.

    The mean over new rows is the chance that a new value exceeds a reference value, ties counting half: the area
    under the curve of "now against then" (Mann & Whitney 1947). Over the reference it is exactly a half.
    """
    places = list(ORDER)
    share = reference[places] / reference[places].sum()
    ranks = np.full(CELLS, np.nan)
    ranks[places] = np.cumsum(share) - share / 2
    return ranks, float((share * (ranks[places] - 0.5) ** 2).sum())


def location(now: Ints, reference: Ints) -> float | None:
    """The chance that a value of now exceeds one of the reference; None without values on both sides."""
    places = list(ORDER)
    if not now[places].sum() or not reference[places].sum():
        return None
    ranks, _ = midranks(reference)
    return float((now[places] * ranks[places]).sum() / now[places].sum())


def psi(now: Ints, reference: Ints) -> float | None:
    """The population stability index over cells: for display, no alarm reads it.

    Source: Siddiqi, "Credit risk scorecards" (2006). Half a row is added to every cell that either side uses, or an
    empty one would make it infinite. It grows by chance as (cells - 1)(1/n + 1/m), so few rows look like drift.
    """
    used = (now + reference) > 0
    if not now.sum() or not reference.sum():
        return None
    p, q = (side[used] + 0.5 for side in (now, reference))
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


def moved(now: Ints, reference: Ints) -> float | None:
    """The share of rows that would have to change cells to look like the reference: the total variation distance."""
    if not now.sum() or not reference.sum():
        return None
    return float(np.abs(now / now.sum() - reference / reference.sum()).sum() / 2)


def area(graded: Ints) -> tuple[float, float] | None:
    """The area under the ROC curve from score cells by outcome, and its standard error; None with one outcome only.

    Source: [sum over i > j of P_i N_j + half of P_i N_i] / (P N), pairs in one cell counting half (Mann & Whitney
    1947), so it is at most the exact one's distance from a half where cells are fine; error by Hanley & McNeil (1982).
    """
    no, yes = (graded[list(ORDER), side].astype(np.float64) for side in (0, 1))
    p, n = float(yes.sum()), float(no.sum())
    if not p or not n:
        return None
    found = float((yes * (np.cumsum(no) - no / 2)).sum() / (p * n))
    q1, q2 = found / (2 - found), 2 * found**2 / (1 + found)
    spread = found * (1 - found) + (p - 1) * (q1 - found**2) + (n - 1) * (q2 - found**2)
    return found, math.sqrt(max(0.0, spread) / (p * n))


def design_effect(means: Sequence[float], rows: Sequence[int], variance: float) -> float:
    """By how much the means of blocks vary more than independent rows would: at least 1.

    Var(block mean) x rows per block / variance within (Kish 1965), at its upper 90 % limit under normal block means
    (a chi-square quantile by Wilson & Hilferty 1931). Needs three blocks; assumes that blocks are independent.
    """
    k = len(means)
    if k < 3 or variance <= 0:
        return 1.0
    per_block = k / sum(1 / n for n in rows)
    ratio = float(np.var(np.asarray(means), ddof=1)) * per_block / variance
    return max(1.0, ratio * (k - 1) / _chi_square_tenth(k - 1))


def _chi_square_tenth(degrees: int) -> float:
    spread = 2 / (9 * degrees)
    return float(degrees * (1 - spread + NormalDist().inv_cdf(0.1) * math.sqrt(spread)) ** 3)


def threshold(tests: float, budget: float) -> float:
    """The deviation that chance exceeds in at most `budget` of so many tests together (the union bound).

    >>> round(threshold(8760, 0.05), 2)
    4.91
    """
    return math.sqrt(2 * math.log(tests / budget))


def present(cells: Ints) -> int:
    """How many rows had a value."""
    return int(cells.sum() - cells[MISSING])
