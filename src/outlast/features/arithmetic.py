"""The one written arithmetic of windows, used offline and online.

A sum is the exact sum of the values, rounded once to the nearest 64-bit float (whole numbers stay whole). A mean is
that sum, as a float, divided by the count of values. A variance is the exact sum of the squared distances from that
mean, rounded once, over (count - ddof). No result depends on the order of the facts, on batches or on threads, and a
NaN stays within the windows that hold it. Nulls are left out, as Polars leaves them out.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from outlast.errors import FeatureError

Values = Sequence[Any]
LIMIT = 2**63


def total(values: Values) -> int | float:
    """The sum of the values that are there; of none, 0.

    >>> total([1e16, 1.0, -1e16, None])
    1.0
    """
    return _sum([v for v in values if v is not None])


def mean(values: Values) -> float | None:
    """The sum over the count; of none, null."""
    present = [v for v in values if v is not None]
    return float(_sum(present)) / len(present) if present else None


def variance(values: Values, ddof: int = 1) -> float | None:
    """The mean squared distance from the mean; null where there are not more values than `ddof`.

    >>> variance([1.0, 2.0, 4.0])
    2.3333333333333335
    """
    present = [float(v) for v in values if v is not None]
    if len(present) <= ddof:
        return None
    middle = mean(present)
    assert middle is not None
    if not math.isfinite(middle):
        return math.nan
    return _exact([(v - middle) * (v - middle) for v in present]) / (len(present) - ddof)


def deviation(values: Values, ddof: int = 1) -> float | None:
    """The square root of the variance."""
    found = variance(values, ddof)
    return None if found is None else math.sqrt(found)


def smallest(values: Values) -> Any:
    """The least value, NaN only where there is nothing else."""
    return _extreme(values, min)


def largest(values: Values) -> Any:
    """The greatest value, NaN only where there is nothing else."""
    return _extreme(values, max)


def quantile(values: Values, share: float, between: str) -> float | None:
    """The value below which that share of the values lies, NaN above all of them; of none, null.

    The place is (count - 1) * share. `between` says what a place between two values gives: the nearer one (the upper
    at a tie), the lower, the higher, their midpoint, or a point on the line between them. These are the bits of Polars
    for a column without nulls; with nulls, its own last bit differs.

    >>> quantile([4, 1, None, 2], 0.25, "linear")
    1.5
    """
    ordered = sorted((float(v) + 0.0 for v in values if v is not None), key=lambda v: (math.isnan(v), v))
    if not ordered:
        return None
    low, high, part = around(len(ordered), share, between)
    below, above = ordered[low], ordered[high]
    if low == high or below == above:
        return below
    return (below + above) / 2 if between == "midpoint" else below + part * (above - below)


def around(size: int, share: float, between: str) -> tuple[int, int, float]:
    """Which of so many ordered values a quantile lies between, and how far from the lower one."""
    place = (size - 1) * share
    low, high = math.floor(place), math.ceil(place)
    if between == "equiprobable":
        low = high = max(0, math.ceil(size * share) - 1)
    elif between == "nearest":
        low = high = math.floor(place + 0.5)
    elif between == "lower":
        high = low
    elif between == "higher":
        low = high
    return low, high, place - low


def count(values: Values) -> int:
    """How many values are there, nulls left out."""
    return sum(v is not None for v in values)


def length(values: Values) -> int:
    """How many facts are there, nulls included."""
    return len(values)


def first(values: Values) -> Any:
    """The value of the oldest fact, null or not."""
    return values[0] if values else None


def last(values: Values) -> Any:
    """The value of the newest fact, null or not."""
    return values[-1] if values else None


def distinct(values: Values) -> int:
    """How many different values, null being one of them and all NaN being one."""
    return len({"NaN" if isinstance(v, float) and math.isnan(v) else v for v in values})


OPERATIONS: dict[str, Callable[..., Any]] = {
    "sum": total,
    "mean": mean,
    "var": variance,
    "std": deviation,
    "min": smallest,
    "max": largest,
    "count": count,
    "len": length,
    "first": first,
    "last": last,
    "n_unique": distinct,
    "quantile": quantile,
}


def _sum(present: list[Any]) -> int | float:
    if not present or not isinstance(present[0], float):
        return _whole(sum(present))
    return _exact(present)


def _whole(value: int) -> int:
    if not -LIMIT <= value < LIMIT:
        raise FeatureError(
            f"A window's sum of whole numbers is {value}, beyond 64 bits: cast the column to Float64 before sum()"
        )
    return value


def _exact(values: list[float]) -> float:
    try:
        return math.fsum(values) + 0.0  # one zero, whatever the signs of those added
    except (OverflowError, ValueError):
        return _beyond(values)


def _beyond(values: list[float]) -> float:
    """A sum that meets infinity on the way: what remains when the infinities are added, else the exact total."""
    infinite = {v for v in values if math.isinf(v)}
    if infinite:
        return math.nan if len(infinite) == 2 or any(map(math.isnan, values)) else infinite.pop()
    halves = math.fsum(v / 4096 for v in values)
    return halves * 4096


def _extreme(values: Values, pick: Callable[..., Any]) -> Any:
    present = [v for v in values if v is not None]
    real = [v for v in present if not (isinstance(v, float) and math.isnan(v))]
    if not real:
        return present[0] if present else None
    found = pick(real)
    return found + 0.0 if isinstance(found, float) else found  # one zero, whichever came first
