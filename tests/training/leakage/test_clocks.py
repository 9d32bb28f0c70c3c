"""Local time read as UTC is told by the hours that clocks skip and repeat, and true UTC is let alone."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from outlast.training.leakage.clocks import local_time


def moments(rows: int, seed: int = 3) -> pl.DataFrame:
    """Events of two years at all hours, in UTC."""
    start, length = datetime(2022, 1, 1, tzinfo=UTC), 2 * 365 * 86_400
    seconds = np.sort(np.random.default_rng(seed).integers(0, length, rows))
    return pl.select(at=pl.lit(start) + pl.duration(seconds=pl.Series(seconds)))


@pytest.mark.parametrize(("zone", "whose"), [("America/Chicago", "North America"), ("Europe/Paris", "Central Europe")])
def test_local_time_is_recognised(zone: str, whose: str) -> None:
    local = moments(600_000).select(pl.col("at").dt.convert_time_zone(zone).dt.replace_time_zone(None))
    found = local_time(local.lazy(), "at")
    assert found is not None
    assert (found.whose, found.skipped) == (whose, 0)
    assert found.skipped_expected == pytest.approx(68, rel=0.3)
    assert found.repeated == pytest.approx(2 * found.repeated_expected, rel=0.3)


@pytest.mark.parametrize("seed", range(5))
def test_utc_is_not(seed: int) -> None:
    assert local_time(moments(600_000, seed).lazy(), "at") is None


def test_too_few_moments_say_nothing() -> None:
    few = moments(5_000).select(pl.col("at").dt.convert_time_zone("America/Chicago").dt.replace_time_zone(None))
    assert local_time(few.lazy(), "at") is None
    assert local_time(few.lazy().filter(False), "at") is None


def test_a_night_without_events_is_no_skipped_hour() -> None:
    by_day = moments(600_000).filter(pl.col("at").dt.hour() > 6)
    assert local_time(by_day.lazy(), "at") is None
