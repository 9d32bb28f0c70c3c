"""Sums that do not depend on order: the same rows in any parts, in any order, give the same bits.

Source: Shewchuk, "Adaptive precision floating-point arithmetic" (1997): the exact sum of doubles is itself a short
list of doubles. Assumption: the values are finite and below 1e290, so that no partial sum overflows.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

LARGEST = 1e290
"""Values beyond this are not summed."""


def exact(values: Iterable[float]) -> tuple[float, ...]:
    """The exact sum of some values as doubles, the largest first: the one such list, whatever the order of the values.

    >>> exact([1e16, 1.0, -1e16])
    (1.0,)
    >>> exact([0.1] * 10) == exact([*exact([0.1] * 4), *exact([0.1] * 6)])
    True
    """
    rest = list(values)
    parts: list[float] = []
    while part := math.fsum(rest):
        parts.append(part)
        rest.append(-part)
    return tuple(parts)


@dataclass(frozen=True)
class Moments:
    """How many values there were, their sum and the sum of their squares, all exact."""

    n: int = 0
    total: tuple[float, ...] = ()
    squares: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Iterable[float]) -> "Moments":
        """The moments of the values that can be squared; the others are left out and so not in `n`."""
        kept = [float(v) for v in values if math.isfinite(v) and v * v < LARGEST]
        return cls(len(kept), exact(kept), exact([v * v for v in kept]))

    def __bool__(self) -> bool:
        """Whether adding them changes anything."""
        return bool(self.n or self.total or self.squares)

    def __neg__(self) -> "Moments":
        total, squares = (tuple(-part for part in parts) for parts in (self.total, self.squares))
        return Moments(-self.n, total, squares)

    def __add__(self, other: "Moments") -> "Moments":
        total = exact([*self.total, *other.total])
        return Moments(self.n + other.n, total, exact([*self.squares, *other.squares]))

    @property
    def sum(self) -> float:
        return math.fsum(self.total)

    @property
    def mean(self) -> float | None:
        """The mean; None of no values."""
        return float(_whole(self.total) / self.n) if self.n else None

    @property
    def variance(self) -> float | None:
        """The unbiased sample variance; None of fewer than two values."""
        if self.n < 2:
            return None
        about = _whole(self.squares) - _whole(self.total) ** 2 / self.n
        return max(0.0, float(about / (self.n - 1)))

    @property
    def error(self) -> float | None:
        """The standard error of the mean; assumes that the values are independent."""
        variance = self.variance
        return None if variance is None else math.sqrt(variance / self.n)

    def to_json(self) -> list[object]:
        return [self.n, list(self.total), list(self.squares)]

    @classmethod
    def from_json(cls, kept: list[object]) -> "Moments":
        n, total, squares = kept
        return cls(n, tuple(total), tuple(squares))  # type: ignore[arg-type]


def _whole(parts: Iterable[float]) -> Fraction:
    return sum((Fraction(part) for part in parts), Fraction(0))
