"""Exact sums of doubles at the speed of whole numbers.

A double is a whole number times a power of two. Over one `Scale` every double becomes a few 64-bit *limbs*, whose
running totals lose nothing: they may wrap around, since the difference of two is right again as long as one window's
own sum fits. The limbs of a window are then put together and rounded once, to the nearest double and at a tie to the
even one, which is what `math.fsum` gives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
MOST_LIMBS = 4
HUGE = 1000
"""Sums of doubles beyond two to this power are left to `math.fsum`, which says what becomes of infinity."""
_BLOCK = 1 << 16  # doubles at a time, so that every step finds them in the processor's cache


@dataclass(frozen=True)
class Scale:
    """Limb k counts units of two to the power of `base + k * width`."""

    base: int
    width: int
    limbs: int


def scale_for(values: Floats, most: int) -> Scale | None:
    """A scale on which windows of at most `most` of the finite values add up, or None when they lie too far apart."""
    high, low = _exponents(values)
    if high > HUGE:
        return None
    room = int(most).bit_length()
    if high - low + room > 62:
        low = max(low, _lowest_bit(values, low))
    return _fit(high - low, low, room)


def _fit(bits: int, base: int, room: int) -> Scale | None:
    if bits + room <= 62:
        return Scale(base, 62, 1)
    width = min(52, 62 - room)
    limbs = -(-bits // width)
    return Scale(base, width, limbs) if limbs <= MOST_LIMBS else None


def _exponents(values: Floats) -> tuple[int, int]:
    """Powers of two: one above every value, and one that every value is a multiple of; 0 and 0 without any."""
    greatest, least = 0.0, np.inf
    for start in range(0, len(values), _BLOCK):
        size = np.abs(values[start : start + _BLOCK])
        greatest = max(greatest, float(size.max()))
        size[size == 0] = np.inf
        least = min(least, float(size.min()))
    if greatest == 0:
        return 0, 0
    return int(np.frexp(greatest)[1]), max(int(np.frexp(least)[1]) - 53, -1074)


def _lowest_bit(values: Floats, bound: int) -> int:
    """The greatest power of two that every value is a multiple of; the search ends early where little can be won."""
    found = 1024
    for start in range(0, len(values), _BLOCK):
        bits = values[start : start + _BLOCK].view(np.int64)
        power = (bits >> 52) & 0x7FF
        digits = (bits & ((1 << 52) - 1)) | ((power > 0).astype(np.int64) << 52)
        trailing = ((digits & -digits).astype(np.float64).view(np.int64) >> 52) - 1023
        lowest = np.where(digits == 0, 1024, np.maximum(power, 1) - 1075 + trailing)
        found = min(found, int(lowest.min()))
        if found <= bound + 8:
            return bound
    return found


def split(values: Floats, scale: Scale) -> list[Ints]:
    """The limbs of finite values, the least first."""
    return _split(values, scale, lambda part, limb, sign=1: _shifted(part, sign * (scale.base + limb)))


def split_by(values: Floats, base: Ints, owner: Ints, scale: Scale) -> list[Ints]:
    """The limbs of finite values, the least first, each owner's least one counting from a power of its own."""

    def shifted(part: Floats, limb: int, sign: int = 1) -> Floats:
        power = base + limb if sign > 0 else -(base + limb)
        if len(power) and int(power.min()) > -1000 and int(power.max()) < 1000:
            return part * np.ldexp(1.0, power)[owner]
        return np.ldexp(part, power[owner])

    return _split(values, scale, shifted)


def _split(values: Floats, scale: Scale, shifted: Callable[..., Floats]) -> list[Ints]:
    parts: list[Ints] = []
    rest = values
    for limb in range((scale.limbs - 1) * scale.width, 0, -scale.width):
        whole = np.trunc(shifted(rest, limb, -1))
        rest = rest - shifted(whole, limb)
        parts.append(whole.astype(np.int64))
    parts.append(shifted(rest, 0, -1).astype(np.int64))
    return parts[::-1]


def running(values: Floats, scale: Scale) -> list[Ints]:
    """Totals before each value, one row for each limb; they wrap around."""
    totals = [np.zeros(len(values) + 1, np.int64) for _ in range(scale.limbs)]
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        for total, limb in zip(totals, split(block, scale), strict=True):
            part = total[start + 1 : start + 1 + len(block)]
            np.cumsum(limb, out=part)
            part += total[start]
    return totals


def rounded(limbs: Sequence[Ints], base: int | Ints, width: int) -> Floats:
    """Limbs put together and rounded once; a sum of nothing is a zero without a sign."""
    if len(limbs) == 1:
        return np.ldexp(limbs[0].astype(np.float64), base) + 0.0
    positive, negative = _carried(limbs, width)
    leading, power = _leading(positive, width)
    found = np.ldexp(leading.astype(np.float64), base + power)
    return np.where(negative, -found, found) + 0.0


def _carried(limbs: Sequence[Ints], width: int) -> tuple[list[Ints], npt.NDArray[np.bool_]]:
    """The size of each sum, in limbs that all are between 0 and two to the power of `width`, and which were below 0."""
    negative = _carry(list(limbs), width)[-1] < 0
    return _carry([np.where(negative, -limb, limb) for limb in limbs], width), negative


def _carry(limbs: list[Ints], width: int) -> list[Ints]:
    mask = (1 << width) - 1
    for index in range(len(limbs) - 1):
        limbs[index + 1] = limbs[index + 1] + (limbs[index] >> width)
        limbs[index] = limbs[index] & mask
    return limbs


def _leading(limbs: list[Ints], width: int) -> tuple[Ints, Ints]:
    """The leading 61 or 62 bits of each number and the power of two of the last one, which is set too where anything
    below it is: rounding that to 53 bits rounds the whole number."""
    top = limbs[-1]
    room, power = 62 - _size(top), np.zeros(len(top), np.int64)
    rest = np.zeros(len(top), np.bool_)
    for limb in limbs[-2::-1]:
        taken = np.clip(room, 0, width)
        left = width - taken
        further = (top << taken) | (limb >> left)
        rest |= (limb & ((np.int64(1) << left) - 1)) != 0
        room = np.where(top == 0, 62 - _size(further), room - taken)
        top, power = further, power + left
    return top | rest, power


def _size(values: Ints) -> Ints:
    """How many bits each number has, or one more."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def _shifted(values: Floats, power: int) -> Floats:
    if -1000 < power < 1000:
        return values * 2.0**power
    return np.ldexp(values, power)
