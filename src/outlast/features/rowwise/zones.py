"""A zone's distance from UTC, asked of Polars once per quarter of an hour: its table of zones decides, no other one."""

from functools import lru_cache

import polars as pl

from outlast.features.rowwise.refusal import Refused, Unsure

QUARTER = 900_000_000
_AT_ONCE = 96
_MOST = 400 * _AT_ONCE
_FIRST, _LAST = -9_467_107_200_000_000, 32_503_680_000_000_000  # the years 1670 to 3000


class Zone:
    """What to add to UTC, in microseconds, at a moment."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.known: dict[int, int | None] = {}
        """By quarters of an hour since 1970; None where it changes within one."""
        try:
            self._ask([0])
        except pl.exceptions.PolarsError as error:
            raise Refused(f"Polars does not know the zone {name}: {error}") from None

    def offset(self, moment: int) -> int:
        """At a moment, microseconds since 1970."""
        quarter = moment // QUARTER
        known = self.known.get(quarter)
        if known is None and quarter not in self.known:
            if not _FIRST <= moment < _LAST:
                raise Unsure("how far from UTC a zone is so long ago, or ahead")
            known = self._learnt(quarter // _AT_ONCE * _AT_ONCE)[quarter]
        return self._ask([moment])[0] if known is None else known

    def _learnt(self, first: int) -> dict[int, int | None]:
        """A day's quarters at once, since asking for one costs as much; None where its ends differ."""
        quarters = range(first, first + _AT_ONCE)
        starts = self._ask([quarter * QUARTER for quarter in quarters])
        ends = self._ask([quarter * QUARTER + QUARTER - 1 for quarter in quarters])
        if len(self.known) >= _MOST:
            self.known.clear()
        found = zip(quarters, starts, ends, strict=True)
        learnt = {quarter: start if start == end else None for quarter, start, end in found}
        self.known.update(learnt)
        return learnt

    def _ask(self, moments: list[int]) -> list[int]:
        utc = pl.Series(moments, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
        local = utc.dt.convert_time_zone(self._name).dt.replace_time_zone(None)
        return [there - here for there, here in zip(local.to_physical().to_list(), moments, strict=True)]


@lru_cache(maxsize=64)
def zone(name: str) -> Zone:
    """The one of that name."""
    return Zone(name)
