"""A figure with its interval."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """An estimated figure, and the interval that covers 90 of 100 of what turns out."""

    value: float
    low: float
    high: float
