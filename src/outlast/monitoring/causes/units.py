"""A number that came in another unit: the live counts are what the reference's bins would hold after y = a x + b."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from outlast.data.profile import ABOVE, BELOW, BINS, CELLS, Bins

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Conversion:
    """A change of unit in words, as y = scale x + offset of what was meant; parts of names that such a column has."""

    says: str
    scale: float
    offset: float = 0.0
    hints: tuple[str, ...] = ()


_WARM = ("temp", "dew", "celsius", "fahrenheit", "degrees")
_FAR = ("dist", "mile", "visib", "km")

KNOWN = (
    Conversion("Celsius in place of Fahrenheit", 1 / 1.8, -32 / 1.8, _WARM),
    Conversion("Fahrenheit in place of Celsius", 1.8, 32.0, _WARM),
    Conversion("Kelvin in place of Celsius", 1.0, 273.15, _WARM),
    Conversion("Celsius in place of Kelvin", 1.0, -273.15, _WARM),
    Conversion("kilometres in place of miles", 1.609344, 0.0, _FAR),
    Conversion("miles in place of kilometres", 1 / 1.609344, 0.0, _FAR),
    Conversion("metres in place of feet", 0.3048),
    Conversion("feet in place of metres", 1 / 0.3048),
    Conversion("kilograms in place of pounds", 0.45359237),
    Conversion("pounds in place of kilograms", 1 / 0.45359237),
    Conversion("metres per second in place of miles per hour", 0.44704),
    Conversion("millimetres in place of inches", 25.4),
    Conversion("inches in place of millimetres", 1 / 25.4),
    Conversion("hectopascals in place of inches of mercury", 33.8639),
    Conversion("inches of mercury in place of hectopascals", 1 / 33.8639),
    Conversion("a value 10 times as large", 10.0),
    Conversion("a value a tenth as large", 0.1),
    Conversion("per cent in place of a share, or cents in place of the whole", 100.0),
    Conversion("a share in place of per cent, or the whole in place of cents", 0.01),
    Conversion("a value 1,000 times as large", 1000.0),
    Conversion("a value a thousandth as large", 0.001),
    Conversion("seconds in place of minutes, or minutes in place of hours", 60.0),
    Conversion("minutes in place of seconds, or hours in place of minutes", 1 / 60),
    Conversion("seconds in place of hours", 3600.0),
    Conversion("hours in place of seconds", 1 / 3600),
    Conversion("the sign turned round", -1.0),
)
_NEAR = 0.10
"""The largest share of rows that may lie elsewhere than the conversion says."""
_BETTER = 0.3
"""And that share as a part of what lies elsewhere than in the reference."""
_MOSTLY = 0.4
"""The same where a few days are held against those before: they differ by themselves."""
_ALIKE = 0.05
"""Conversions are not told apart when they leave so little more elsewhere."""
_GONE = 0.8
_ORDER = (BELOW, *range(BINS), ABOVE)


def conversion_of(bins: Bins, live: Ints, before: Ints | None = None) -> Conversion | None:
    """The change of unit that explains live counts in the reference's bins, or any scale and offset that do.

    `before` are counts to compare with, where the reference's own are of another season.
    """
    known = (bins.counts or [0] * CELLS) if before is None else before
    counts = np.asarray(known, np.float64)[list(_ORDER)]
    now = live[list(_ORDER)].astype(np.float64)
    if bins.kind != "number" or len(bins.edges) < 6 or counts.sum() < 200 or now.sum() < 50:
        return None
    reference, shares = counts / counts.sum(), now / now.sum()
    away = _apart(reference, shares)
    if away < 0.2:
        return None
    edges, heights = _curve(bins, reference)
    tried = [*KNOWN, *_fitted(bins, shares, (edges, heights))]
    off = [_apart(_converted(bins, edges, heights, one), shares) for one in tried]
    if min(off) > min(_NEAR, _BETTER * away):
        return None if before is None else _likeliest(bins, tried, off, away)
    fits = [one for one, left in zip(tried, off, strict=True) if left <= min(off) + _ALIKE]
    hinted = [one for one in fits if _suggested(bins, one)]
    if hinted:
        return hinted[0]
    if max(shares[0], shares[-1]) > _GONE:
        return None  # nearly all lies outside: anything fits
    one = fits[0]
    return one if len(fits) == 1 else replace(one, says=f"another unit, such as {one.says}")


def _likeliest(bins: Bins, tried: Sequence[Conversion], off: Sequence[float], away: float) -> Conversion | None:
    """The conversion that the column's name suggests and that explains most of a change from one week to the next."""
    hinted = [(left, one) for left, one in zip(off, tried, strict=True) if _suggested(bins, one)]
    left, found = min(hinted, key=lambda pair: pair[0], default=(1.0, None))
    return found if left <= _MOSTLY * away else None


def _suggested(bins: Bins, one: Conversion) -> bool:
    return any(hint in bins.name.lower() for hint in one.hints)


def _apart(one: Floats, other: Floats) -> float:
    return float(np.abs(one - other).sum()) / 2


def _curve(bins: Bins, shares: Floats) -> tuple[Floats, Floats]:
    """The reference's cumulative shares at its edges."""
    edges = np.asarray(bins.edges)
    heights = np.concatenate([[0.0], np.cumsum(shares[1 : len(edges)])])
    return edges, heights / max(heights[-1], 1e-12)


def _converted(bins: Bins, edges: Floats, heights: Floats, by: Conversion) -> Floats:
    """The shares of cells that the reference would have after a conversion, evenly spread within each bin."""
    below = np.interp((edges - by.offset) / by.scale, edges, heights)
    if by.scale < 0:
        below = 1 - below
    inner = np.zeros(BINS)
    inner[: len(edges) - 1] = np.diff(below)
    return np.concatenate([[below[0]], inner, [1 - below[-1]]])


def _fitted(bins: Bins, shares: Floats, curve: tuple[Floats, Floats]) -> list[Conversion]:
    """A scale and an offset from the places at which the two curves are equally high; needs four such places."""
    edges, heights = curve
    below = shares[0] + np.concatenate([[0.0], np.cumsum(shares[1 : len(edges)])])
    inside = (below > heights[1]) & (below < heights[-2])  # within the outer bins, values may lie anywhere
    if inside.sum() < 4:
        return []
    meant = np.interp(below[inside], heights, edges)
    if np.ptp(meant) <= 0:
        return []
    scale, offset = (float(part) for part in np.polyfit(meant, edges[inside], 1))
    spread = float(np.ptp(edges)) or 1.0
    if scale <= 0 or (abs(scale - 1) < 0.1 and abs(offset) < 0.2 * spread):
        return []
    return [Conversion(f"values of {scale:.3g} times what they were, {offset:+.3g}", scale, offset)]
