"""Does a column hold local time, read as UTC? The two days a year on which clocks change give it away.

In spring an hour of local time does not exist, in autumn one comes twice. Hours are compared with the same hour of the
same weekday one to three weeks before and after; how many moments fall into one is taken as Poisson, so an empty hour
where 30 moments are expected has a chance of one in ten million million.
"""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from outlast.features.facts import instants

ZONES = {
    "America/New_York": "North America",
    "Europe/London": "Britain and Portugal",
    "Europe/Berlin": "Central Europe",
    "Europe/Helsinki": "Eastern Europe",
    "Australia/Sydney": "Australia",
}
"""One zone for each rule by which clocks change; those of one rule cannot be told apart."""
EXPECTED = 30.0
TWICE, NEARLY_TWICE = 100.0, 1.7
_HOUR = 3_600_000_000
_WEEK = 7 * 24


@dataclass(frozen=True)
class LocalTime:
    """Whose clocks a column follows, and how many moments fell into the hours that say so."""

    whose: str
    skipped: int
    skipped_expected: float
    repeated: int
    repeated_expected: float


def local_time(frame: pl.LazyFrame, column: str) -> LocalTime | None:
    """The evidence that a column of moments without a zone is local time; None where there is none."""
    hours = (instants(column) // _HOUR).alias("hour")
    counted = frame.select(hours).drop_nulls().group_by("hour").len().collect(engine="streaming")
    if counted.is_empty():
        return None
    counts = dict(counted.iter_rows())
    low, high = min(counts), max(counts)
    for zone, whose in ZONES.items():
        found = _evidence(counts, whose, *_changes(zone, low, high))
        if found is not None:
            return found
    return None


def _evidence(counts: dict[int, int], whose: str, spring: list[int], autumn: list[int]) -> LocalTime | None:
    skipped, skipped_expected = _around(counts, spring)
    repeated, repeated_expected = _around(counts, autumn)
    empty = skipped_expected >= EXPECTED and skipped <= skipped_expected / 50
    double = repeated_expected >= TWICE and repeated >= NEARLY_TWICE * repeated_expected
    if empty or (double and skipped <= skipped_expected / 5):
        return LocalTime(whose, skipped, skipped_expected, repeated, repeated_expected)
    return None


def _around(counts: dict[int, int], hours: list[int]) -> tuple[int, float]:
    """What fell into some hours, and what does in the weeks around them."""
    beside = [counts.get(hour + week * _WEEK, 0) for hour in hours for week in (-3, -2, -1, 1, 2, 3)]
    return sum(counts.get(hour, 0) for hour in hours), sum(beside) / 6


def _changes(zone: str, low: int, high: int) -> tuple[list[int], list[int]]:
    """The local hours, counted since 1970, that a zone skipped and repeated, as far as the weeks beside them reach."""
    span = pl.datetime_range(
        pl.lit(low * _HOUR).cast(pl.Datetime("us")),
        pl.lit(high * _HOUR).cast(pl.Datetime("us")),
        timedelta(hours=1),
    )
    hours = pl.select(utc=span.dt.replace_time_zone("UTC"))
    there = pl.col("utc").dt.convert_time_zone(zone)
    offset = (there.dt.base_utc_offset() + there.dt.dst_offset()).dt.total_hours()
    moved = hours.select(hour=pl.col("utc").to_physical() // _HOUR, offset=offset, by=offset.diff())
    spring = moved.filter(pl.col("by") == 1).select(pl.col("hour") + pl.col("offset") - 1)
    autumn = moved.filter(pl.col("by") == -1).select(pl.col("hour") + pl.col("offset"))
    return spring.to_series().to_list(), autumn.to_series().to_list()
